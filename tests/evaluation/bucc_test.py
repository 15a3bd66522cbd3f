"""The BUCC benchmark: by hand, against a reference that follows the published formulas, and from damaged files."""

import itertools
import shutil

import numpy as np
import pytest

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.bucc import evaluate_bucc
from lealla_tf.evaluation.bucc_files import find_bucc, read_bucc
from lealla_tf.evaluation.embedding import EmbeddingError
from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.report import EvaluatedModel

SPLITS = ("training", "test")


def write(directory, split, source, target, gold, pair="de-en"):
    """Sentences by id, and gold pairs."""
    directory.mkdir(exist_ok=True, parents=True)
    first, second = pair.split("-")
    for kind, rows in ((first, source.items()), (second, target.items()), ("gold", gold)):
        text = "".join(f"{row[0]}\t{row[1]}\n" for row in rows)
        (directory / f"{pair}.{split}.{kind}").write_text(text, encoding="utf-8")


class World:
    """Random splits, and the vectors of their sentences: translations, strangers, hubs and duplicates."""

    def __init__(self, seed, dim=8):
        self.rng, self.dim, self.table = np.random.default_rng(seed), dim, {}

    def unit(self, vector):
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def write_split(self, directory, split, translations=25, strangers=35, hubs=3):
        source, target, gold = {}, {}, []
        for number in range(translations):
            meaning = self.rng.normal(size=self.dim) + 0.8
            self.add(source, f"{split} de {number}", meaning + 0.5 * self.rng.normal(size=self.dim))
            self.add(target, f"{split} en {number}", meaning + 0.5 * self.rng.normal(size=self.dim))
            gold.append((f"de-{number}", f"en-{number}"))
        for side, language in ((source, "de"), (target, "en")):
            for number in range(strangers):
                vector = self.rng.normal(size=self.dim) + 0.8 + 4 * (number < hubs)  # hubs are near to everything
                self.add(side, f"{split} {language} stranger {number}", vector)
        write(directory, split, source, target, gold)

    def add(self, side, sentence, vector):
        side[f"{sentence.split()[1]}-{len(side)}"] = sentence
        self.table[sentence] = self.unit(vector)

    def files(self, directory):
        return EmbeddingFiles(lambda sentences: np.array([self.table[s] for s in sentences]), "fingerprint", directory)

    def vectors(self, sentences):
        return np.array([self.table[sentence] for sentence in sentences], np.float64)


def reference_pairs(x, y, k, margin, direction):
    """Scored pairs by the formulas of the paper, one sentence at a time: {(source, target): score}."""
    cosines = x @ y.T
    near, near_back = np.sort(cosines, 1)[:, -k:].mean(1), np.sort(cosines, 0)[-k:].mean(0)
    mean = (near[:, None] + near_back[None]) / 2
    scores = {"absolute": cosines, "distance": cosines - mean, "ratio": cosines / mean}[margin]
    forward = [(i, max(np.argsort(-cosines[i])[:k], key=lambda j: scores[i, j])) for i in range(len(x))]
    backward = [(max(np.argsort(-cosines[:, j])[:k], key=lambda i: scores[i, j]), j) for j in range(len(y))]
    if direction == "forward":
        pairs = forward
    elif direction == "backward":
        pairs = backward
    elif direction == "intersect":
        pairs = [pair for pair in forward if pair in backward]
    else:
        pairs, used = [], set()
        for i, j in sorted(forward + backward, key=lambda pair: -scores[pair]):
            if ("source", i) not in used and ("target", j) not in used:
                pairs.append((i, j))
                used |= {("source", i), ("target", j)}
    return {(int(i), int(j)): scores[i, j] for i, j in pairs}


def reference_f1(pairs, gold, threshold):
    taken = {pair for pair, score in pairs.items() if score >= threshold}
    return 2 * len(taken & gold) / (len(taken) + len(gold))


@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
@pytest.mark.parametrize("direction", ["max", "intersect", "forward", "backward"])
@pytest.mark.parametrize("k", [1, 4])
def test_agrees_with_the_published_formulas(tmp_path, margin, direction, k):
    world = World(seed=k)
    for split in SPLITS:
        world.write_split(tmp_path, split)
    result = evaluate_bucc(world.files(tmp_path / "cache"), tmp_path, k=k, margin=margin, direction=direction)
    (score,) = result.scores
    found = find_bucc(tmp_path, None, SPLITS)["de-en"]
    candidates, gold, best = {}, {}, {}
    for split in SPLITS:
        texts = read_bucc(found[split])
        vectors = world.vectors(texts.source), world.vectors(texts.target)
        candidates[split] = reference_pairs(*vectors, k, margin, direction)
        gold[split] = {tuple(pair) for pair in texts.gold.tolist()}
        cuts = [*candidates[split].values()]
        best[split] = max(reference_f1(candidates[split], gold[split], cut) for cut in cuts)
        assert score.optima[split].f1 == pytest.approx(best[split])
    threshold = score.optima["training"].threshold
    assert reference_f1(candidates["training"], gold["training"], threshold) == pytest.approx(best["training"])
    assert score.score.threshold == threshold
    assert score.score.f1 == pytest.approx(reference_f1(candidates["test"], gold["test"], threshold))
    assert 0.3 < score.score.f1 < 1


def test_hubs_are_what_the_margin_is_for(tmp_path):
    world = World(seed=1)
    for split in SPLITS:
        world.write_split(tmp_path, split, hubs=6)
    files = world.files(tmp_path / "cache")
    f1 = {
        margin: evaluate_bucc(files, tmp_path, margin=margin).metrics["bucc/mean/f1"]
        for margin in ("ratio", "absolute")
    }
    assert f1["ratio"] > f1["absolute"]


def test_by_hand(tmp_path):
    """One axis a meaning: cosines are 1 for the two translations, c is 0.8 to y and 0.6 to z, and no neighbour of x.

    With k = 1 the means of (a, x), (b, y) are 1, so their ratio is 1; c's nearest is y, whose nearest is b:
    0.8 / ((0.8 + 1) / 2) = 0.889; z's nearest is c: 0.6 / ((0.8 + 0.6) / 2) = 0.857.  Of (c, y) and (c, z) the
    first comes first, but y is taken by b, so (c, z) is what is left.
    """
    table = {"a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0.8, 0.6), "x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}
    source, target = {"1": "a", "2": "b", "3": "c"}, {"1": "x", "2": "y", "3": "z"}
    write(tmp_path, "training", source, target, [("1", "1"), ("2", "2")])
    write(tmp_path, "test", source, target, [("1", "1"), ("2", "3"), ("3", "2")])
    files = EmbeddingFiles(lambda sentences: np.array([table[s] for s in sentences]), "f", tmp_path / "cache")
    result = evaluate_bucc(files, tmp_path, k=1)
    (score,) = result.scores
    assert sorted(score.histogram.scores.tolist()) == pytest.approx([0.6 / 0.7, 1, 1])
    tuned = (1 + 0.6 / 0.7) / 2
    assert result.metrics == pytest.approx(
        {
            "bucc/de-en/precision": 1 / 2,
            "bucc/de-en/recall": 1 / 3,
            "bucc/de-en/f1": 2 / 5,
            "bucc/de-en/threshold": tuned,
            "bucc/de-en/optimum_on_training/precision": 1,
            "bucc/de-en/optimum_on_training/recall": 1,
            "bucc/de-en/optimum_on_training/f1": 1,
            "bucc/de-en/optimum_on_training/threshold": tuned,
            "bucc/de-en/optimum_on_test/precision": 1 / 2,
            "bucc/de-en/optimum_on_test/recall": 1 / 3,
            "bucc/de-en/optimum_on_test/f1": 2 / 5,
            "bucc/de-en/optimum_on_test/threshold": tuned,
            "bucc/mean/f1": 2 / 5,
            "bucc/mean/optimum_on_training/f1": 1,
            "bucc/mean/optimum_on_test/f1": 2 / 5,
        },
        abs=1e-6,
    )
    lines = result.report().text(EvaluatedModel(name="m", fingerprint="f", dim=3)).split("\n")
    assert lines[0] == "BUCC 2018, F1 in per cent; margin ratio, direction max, 1 neighbours"
    assert lines[4:9] == [
        "pair     measured on                       precision  recall     F1  threshold",
        "de-en    test, threshold of training            50.0    33.3   40.0     0.9286",
        "de-en    training, its own best threshold      100.0   100.0  100.0     0.9286",
        "de-en    test, its own best threshold           50.0    33.3   40.0     0.9286",
        "mean     test, threshold of training                           40.0",
    ]


def test_what_is_there_is_found(tmp_path):
    """Files of one directory or of one a pair; a test part without gold, as the task gave it out, is left out."""
    world = World(seed=0)
    world.write_split(tmp_path / "de-en", "training")
    world.write_split(tmp_path / "de-en", "test")
    (tmp_path / "de-en" / "de-en.test.gold").unlink()
    write(tmp_path, "training", {"1": "a"}, {"1": "b"}, [("1", "1")], pair="fr-en")
    assert {pair: list(splits) for pair, splits in find_bucc(tmp_path, None, SPLITS).items()} == {
        "de-en": ["training"],
        "fr-en": ["training"],
    }
    result = evaluate_bucc(world.files(tmp_path / "cache"), tmp_path, ["de-en"])
    assert set(result.metrics) == {
        *(f"bucc/de-en/optimum_on_training/{name}" for name in ("precision", "recall", "f1", "threshold")),
        "bucc/mean/optimum_on_training/f1",
    }
    world.write_split(tmp_path / "de-en", "sample", translations=5, strangers=5)
    result = evaluate_bucc(world.files(tmp_path / "cache"), tmp_path, ["de-en"], splits=("sample", "training"))
    assert "bucc/de-en/f1" in result.metrics
    assert "bucc/de-en/optimum_on_sample/f1" in result.metrics


@pytest.fixture
def data(tmp_path):
    write(tmp_path, "training", {"de-1": "eins", "de-2": "zwei"}, {"en-1": "one", "en-2": "two"}, [("de-1", "en-1")])
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("gold", "de-1\ten-1\nde-1\ten-9\n", r"\.gold:2: names 'en-9', an id that .*\.en does not have"),
        ("gold", "de-1\ten-1\nen-1\tde-1\n", r"\.gold:2: names 'en-1', an id that .*\.de does not have"),
        ("gold", "de-1\ten-1\nde-1\ten-1\n", r"\.gold:2: repeats the pair de-1 en-1"),
        ("gold", "de-1 en-1\n", r"\.gold:1: must be id<TAB>id\. Received: 'de-1 en-1'"),
        ("gold", "", r"\.gold: is empty"),
        ("de", "de-1\teins\nde-1\tzwei\n", r"\.de:2: repeats the id 'de-1'"),
        ("de", "de-1\teins\n\nde-2\tzwei\n", r"\.de:2: must be id<TAB>sentence\. Received: ''"),
        ("de", "de-1\teins\nde-2\t \n", r"\.de:2: must be id<TAB>sentence"),
    ],
)
def test_files_that_cannot_be_used(data, kind, content, message):
    (data / f"de-en.training.{kind}").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_bucc(find_bucc(data, None, SPLITS)["de-en"]["training"])


def test_what_is_missing_is_named(data):
    with pytest.raises(DataError, match="nowhere: is not a directory"):
        find_bucc(data / "nowhere", None, SPLITS)
    with pytest.raises(DataError, match=r"holds no file like de-en\.training2\.de"):
        find_bucc(data, None, ("training2", "test2"))
    with pytest.raises(UsageError, match=r"No BUCC files for fr-en in .*\. There: de-en\."):
        find_bucc(data, ["fr-en"], SPLITS)
    with pytest.raises(DataError, match=r"holds de-en\.training but no de-en\.sample"):
        find_bucc(data, None, ("sample", "training"))
    for kind, split in itertools.product(("de", "en", "gold"), SPLITS):
        shutil.copytree(data, data / "copy")
        for other in ("de", "en", "gold"):
            shutil.copy(data / "copy" / f"de-en.training.{other}", data / "copy" / f"de-en.test.{other}")
        (data / "copy" / f"de-en.{split}.{kind}").unlink()
        if (split, kind) == ("test", "gold"):
            assert list(find_bucc(data / "copy", None, SPLITS)["de-en"]) == ["training"]
        else:
            with pytest.raises(DataError, match=rf"de-en\.{split}\.{kind}: is missing"):
                find_bucc(data / "copy", None, SPLITS)
        shutil.rmtree(data / "copy")


def test_a_model_without_candidates(data):
    """Opposite directions: no mean of cosines is positive, so no ratio has a meaning."""
    angles = {"eins": 1, "zwei": 1, "one": -1, "two": -1}
    files = EmbeddingFiles(lambda sentences: np.array([[angles[s]] for s in sentences]), "f", data / "cache")
    with pytest.raises(EmbeddingError, match=r"No pair of .* is a candidate"):
        evaluate_bucc(files, data)
