"""The numbers of LASER, sentence-transformers, scikit-learn, faiss and SciPy, on vectors with hubs, ties and copies.

`references.json` holds what the first three answer for the vectors made here, and says by which of their functions;
faiss and SciPy answer while the tests run.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from lealla_tf.evaluation.bucc import evaluate_bucc
from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.sts import spearman
from lealla_tf.evaluation.united_nations import evaluate_united_nations
from lealla_tf.evaluation.xsim import compare
from lealla_tf.retrieval import Neighbours, mine_pairs, nearest_neighbours, precision_at_1, score_pairs

# faiss is wrapped by SWIG, whose types Python 3.12 wants to have a module.
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")

REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text(encoding="utf-8"))
MARGINS = ("ratio", "distance", "absolute")
SHARES = ("precision", "recall", "f1")

# Of equal products the search of LASER and sentence-transformers puts the lowest row first for one neighbour, and
# the highest for several, so that here rows are reversed where there are copies; where the last of several neighbours
# is one of many equals, as among the ties, it has no such order.
UNTIED = ("random", "hubs")
COPIED = ("copies", "repeated")
KINDS = (*UNTIED, *COPIED, "ties")

# To mine among: 50 and 55 rows, of which 45 are translations.
MINED = slice(0, 50), slice(5, 60)
GOLD = [(row, row - 5) for row in range(5, 50)]


def unit(vectors):
    """From integers, so that rounding is the same everywhere."""
    vectors = vectors.astype(np.float64)
    return (vectors / np.sqrt(np.sum(vectors**2, axis=1, keepdims=True))).astype(np.float32)


def sides(kind):
    """60 aligned rows; those of `RandomState` are the same in all versions of NumPy."""
    rng = np.random.RandomState(1 + KINDS.index(kind))
    if kind == "ties":  # components of a quarter: unit length, and products that are multiples of 1/8
        meaning = rng.randint(0, 4, (60, 16)) > 0
        return tuple(np.where(meaning ^ (rng.randint(0, 8, (60, 16)) == 0), 0.25, -0.25) for _ in range(2))
    meaning = rng.randint(-9, 10, (60, 16)) + 5
    source, target = (meaning + rng.randint(-7, 8, (60, 16)) for _ in range(2))
    if kind == "hubs":  # near to everything
        target[10:13] = 5 + rng.randint(-3, 4, (3, 16))
        source[56:58] = 5 + rng.randint(-3, 4, (2, 16))
    if kind in COPIED:  # on one side
        source[30:35], target[40:45] = source[10:15], target[20:25]
    if kind == "repeated":  # on both
        source[46:50], target[46:50] = source[15:19], target[15:19]
    return unit(source), unit(target)


def first_rows(vectors):
    """The first row that equals each row, which is what stands for its text."""
    return np.array([np.flatnonzero((vectors == row).all(axis=1))[0] for row in vectors])


def target_of_each_source(pairs):
    targets = np.full(50, -1)
    targets[pairs.source] = pairs.target
    return targets.tolist()


def reversed_pairs(pairs):
    return pairs._replace(source=49 - pairs.source, target=54 - pairs.target)


@pytest.mark.parametrize("kind", KINDS)
def test_similarity_search(kind):
    """LASER's and sentence-transformers' count by line, in both directions: copies are errors but for the first."""
    source, target = sides(kind)
    ours = precision_at_1(source, target)
    assert ours == pytest.approx(REFERENCES["kinds"][kind]["laser"]["precision_at_1"])
    assert ours == pytest.approx(REFERENCES["kinds"][kind]["sentence_transformers"]["precision_at_1"])


@pytest.mark.parametrize("kind", [*UNTIED, "copies", "ties"])
def test_united_nations(kind, tmp_path):
    """LASER's, by line and by its textual comparison, but for pairs that repeat on both sides: here they are one."""
    table = {}
    for language, side in zip(("fr", "en"), sides(kind), strict=True):
        sentences = [f"{language} {row}" for row in first_rows(side)]
        table.update(zip(sentences, side, strict=True))
        (tmp_path / f"UNv1.0.en-fr.{language}").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    files = EmbeddingFiles(lambda texts: np.array([table[text] for text in texts]), "f", tmp_path / "cache")
    (score,) = evaluate_united_nations(files, tmp_path).scores
    laser = REFERENCES["kinds"][kind]["laser"]
    assert score.by_line[:2] == pytest.approx(laser["precision_at_1"])
    assert score.by_text[:2] == pytest.approx(laser["precision_at_1_by_text"])


@pytest.mark.parametrize("kind", KINDS)
def test_xsim(kind):
    """By line and by text, where copies have equal texts."""
    source, target = sides(kind)
    expected = REFERENCES["kinds"][kind]["laser"]
    texts = first_rows(source), first_rows(target)
    for margin, k in itertools.product(MARGINS, (1, 4)):
        lowest_first = k == 1 or margin == "absolute"  # LASER looks for one neighbour only
        if kind == "ties" and not lowest_first:
            continue
        order = slice(None) if lowest_first else slice(None, None, -1)
        found = compare(source[order], target[order], k, margin)
        assert [60 * error for error, _ in found] == pytest.approx(expected["xsim"][margin][str(k)]), (margin, k)
        found = compare(source, target, k, margin, texts=texts)
        assert [60 * error for error, _ in found] == pytest.approx(expected["xsim_by_text"][margin][str(k)])


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("kind", [*UNTIED, *COPIED])
def test_mining(kind, margin):
    """LASER's pairs; of its "max" only where scores differ, since it sorts equal ones in no certain order."""
    expected = REFERENCES["kinds"][kind]["laser"]
    source, target = (side[part][::-1] for side, part in zip(sides(kind), MINED, strict=True))
    found = {
        direction: reversed_pairs(mine_pairs(source, target, margin=margin, direction=direction))
        for direction in ("forward", "backward", "intersect", "max")
    }
    assert found["forward"].target[found["forward"].source.argsort()].tolist() == expected["forward"][margin]
    assert found["backward"].source[found["backward"].target.argsort()].tolist() == expected["backward"][margin]
    assert target_of_each_source(found["intersect"]) == expected["intersect"][margin]
    if kind in UNTIED:
        assert target_of_each_source(found["max"]) == expected["max"][margin]


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("kind", COPIED)
def test_mining_where_equal_sentences_are_one(kind, margin):
    """As `lealla mine` and LASER with --unify have it: copies take no place among the neighbours."""
    source, target = (side[part] for side, part in zip(sides(kind), MINED, strict=True))
    rows, others = np.unique(first_rows(source)), np.unique(first_rows(target))
    assert len(rows) < 50 and len(others) < 55
    found = mine_pairs(source[rows], target[others], margin=margin)
    found = found._replace(source=rows[found.source], target=others[found.target])
    assert target_of_each_source(found) == REFERENCES["kinds"][kind]["laser"]["unified"][margin]


@pytest.mark.parametrize("margin", MARGINS)
def test_mining_among_fewer_rows_than_neighbours(margin):
    """The target's three neighbours weigh as much as the source's four: a mean of means."""
    source, target = sides("random")
    found = mine_pairs(source[:3], target[1:6], margin=margin)
    expected = REFERENCES["laser_few_rows"][margin]
    assert np.stack([found.source, found.target], axis=1).tolist() == expected["pairs"]
    np.testing.assert_allclose(found.scores, expected["scores"], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_given_pairs(kind):
    """The means are over the k nearest of both sides, copies counted as often as they stand there."""
    source, target = sides(kind)
    for margin in MARGINS:
        scores = score_pairs(source, target, np.arange(60), np.arange(60), margin=margin)
        np.testing.assert_allclose(scores, REFERENCES["kinds"][kind]["laser"]["score"][margin], rtol=1e-5, atol=2e-6)


@pytest.fixture(scope="module")
def bucc(tmp_path_factory):
    """The benchmark through its files: a threshold from the vectors with hubs, and judged on the random ones."""
    directory, table = tmp_path_factory.mktemp("bucc"), {}
    for split, kind in (("training", "hubs"), ("test", "random")):
        for language, side, part in zip(("de", "en"), sides(kind), MINED, strict=True):
            sentences = [f"{split} {language} {row}" for row in range(len(side[part]))]
            table.update(zip(sentences, side[part], strict=True))
            lines = (f"{language}-{row}\t{sentence}\n" for row, sentence in enumerate(sentences))
            (directory / f"de-en.{split}.{language}").write_text("".join(lines), encoding="utf-8")
        gold = "".join(f"de-{row}\ten-{other}\n" for row, other in GOLD)
        (directory / f"de-en.{split}.gold").write_text(gold, encoding="utf-8")
    files = EmbeddingFiles(lambda sentences: np.array([table[s] for s in sentences]), "f", directory / "cache")
    return evaluate_bucc(files, directory).scores[0]


@pytest.mark.parametrize(("split", "kind"), [("training", "hubs"), ("test", "random")])
def test_bucc_with_the_best_threshold(bucc, split, kind):
    """LASER's to the digits it prints, and those of sentence-transformers."""
    ours = bucc.optima[split]
    laser = REFERENCES["kinds"][kind]["laser"]["bucc"]
    assert ours.threshold == pytest.approx(laser["threshold"], abs=2e-6)
    assert [100 * getattr(ours, name) for name in SHARES] == pytest.approx([laser[name] for name in SHARES], abs=0.005)
    other = REFERENCES["kinds"][kind]["sentence_transformers"]["bucc"]
    assert {name: getattr(ours, name) for name in other["-inf"]} == pytest.approx(other["-inf"])
    # Its script takes nothing that scores less than 1, so it misses a best threshold below that.
    assert (other["1"]["f1"] == pytest.approx(ours.f1)) == (ours.threshold > 1)


def test_bucc_with_the_threshold_of_the_other_split(bucc):
    expected = REFERENCES["laser_bucc_transfer"]
    assert bucc.score.threshold == pytest.approx(expected["threshold"], abs=2e-6)
    assert (bucc.score.extracted, bucc.score.correct) == (expected["extracted"], expected["correct"])


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours(kind):
    """Against faiss and scikit-learn: the cosines always, and the rows where none are equal."""
    source, target = sides(kind)
    for queries, pool, mean in zip(
        (source, target), (target, source), REFERENCES["kinds"][kind]["scikit_learn"]["mean"], strict=True
    ):
        queries, pool = queries.astype(np.float32), pool.astype(np.float32)
        ours, theirs = nearest_neighbours(queries, pool, 4), search_with_faiss(queries, pool, 4)
        np.testing.assert_allclose(ours.similarities, theirs.similarities, atol=1e-6)
        np.testing.assert_allclose(ours.similarities.mean(axis=1), mean, atol=2e-6)
        if kind in UNTIED:
            np.testing.assert_array_equal(ours.indices, theirs.indices)


@pytest.mark.parametrize("k", [1, 5, 200])
def test_neighbours_in_several_blocks(k):
    queries, pool = (np.random.default_rng(k).normal(size=(rows, 24)).astype(np.float32) for rows in (300, 1700))
    ours, theirs = nearest_neighbours(queries, pool, k, block=256), search_with_faiss(queries, pool, k)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.similarities, theirs.similarities, rtol=1e-5, atol=1e-5)


def search_with_faiss(queries, pool, k):
    import faiss  # here, where its warning is expected

    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    similarities, indices = index.search(queries, k)
    return Neighbours(indices, similarities)


@pytest.mark.parametrize("values", [2, 6, 10**6])
def test_spearman(values):
    """Cosines are seldom equal and gold scores mostly, so one side of each."""
    rng = np.random.default_rng(values)
    gold = rng.integers(0, values, 500).astype(float)
    cosines = gold / values + rng.normal(size=500)
    for first, second in ((cosines, gold), (np.round(cosines, 1), gold), (gold, gold)):
        assert spearman(first, second) == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-12)
