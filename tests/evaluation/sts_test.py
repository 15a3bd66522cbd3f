"""Rank correlation with what people say: by hand, against the definition, and through files."""

import gzip

import numpy as np
import pytest

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.embedding import EmbeddingError
from lealla_tf.evaluation.report import EvaluatedModel
from lealla_tf.evaluation.sts import evaluate_sts, read_sts, spearman, sts_files

MODEL = EvaluatedModel(name="m", fingerprint="f", dim=2)
# The angle of each sentence; those of a pair differ by 10, 50 and 90 degrees: cosines fall from line to line.
ANGLES = {"a": 0, "b": 10, "c": 20, "d": 70, "e": 5, "f": 95}


def embed(sentences):
    angles = np.radians([ANGLES[sentence] for sentence in sentences])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def reference(first, second):
    """The definition: each rank by counting what is less and what is equal."""
    ranks = [[sum(y < x for y in v) + (1 + sum(y == x for y in v)) / 2 for x in v] for v in (first, second)]
    return np.corrcoef(ranks)[0, 1]


def test_spearman_by_hand():
    """Ranks 1 2 3 4 5 against 2 1 4 3 5: squared differences sum to 4, and 1 - 6 * 4 / (5 * 24) = 0.8."""
    assert spearman(np.array([1.0, 2, 3, 4, 5]), np.array([7.0, -1, 9, 8, 100])) == pytest.approx(0.8)


@pytest.mark.parametrize("values", [3, 10, 10**6])
@pytest.mark.parametrize("count", [2, 7, 200])
def test_spearman_with_and_without_ties(count, values):
    rng = np.random.default_rng(count)
    first, second = rng.integers(0, values, (2, count)).astype(float)
    first[0], second[0] = -1, -1  # so that not all are equal
    result = spearman(first, second)
    assert result == pytest.approx(reference(first.tolist(), second.tolist()), abs=1e-12)
    assert spearman(np.exp(first / values), second) == result  # only the order counts
    assert spearman(-first, second) == pytest.approx(-result)


def test_files_end_to_end(tmp_path):
    """Gold 5, 3, 4 against cosines that fall: ranks 3 2 1 against 3 1 2, so 1 - 6 * 2 / 24 = 0.5."""
    (tmp_path / "en-de.tsv").write_text("5\ta\tb\n3.0\tc\td\n4e0\te\tf\n", encoding="utf-8")
    (tmp_path / "en-en.tsv.gz").write_bytes(gzip.compress(b"5\ta\tb\r\n0\tc\td\n"))
    (tmp_path / "README.md").write_text("not part of it", encoding="utf-8")
    calls = []
    result = evaluate_sts(embed, tmp_path, progress=lambda *call: calls.append(call))
    report = result.report()
    assert report.metrics == pytest.approx(
        {"sts/en-de/spearman": 0.5, "sts/en-en/spearman": 1.0, "sts/mean/spearman": 0.75}
    )
    assert calls == [("en-de", 3, 5), ("en-en", 5, 5)]
    assert report.text(MODEL).split("\n")[4:] == [
        "languages    pairs  Spearman",
        "en-de            3      50.0",
        "en-en            2     100.0",
        "mean                    75.0",
        "",
    ]
    assert report.data["pairs"] == {"en-de": 3, "en-en": 2}
    assert evaluate_sts(embed, tmp_path, ["en-de"]).correlations == {"en-de": result.correlations["en-de"]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("5\ta", r"en-de.tsv:2: must be score<TAB>sentence<TAB>sentence. Received: '5\\ta'"),
        ("5\ta\tb\tc", "en-de.tsv:2: must be score"),
        ("a\tb\t5", "en-de.tsv:2: must be score"),
        ("nan\ta\tb", "en-de.tsv:2: must be score"),
        ("5\ta\t ", "en-de.tsv:2: must be score"),
        ("", "en-de.tsv:2: must be score"),
        ("3\ta\tb", "gives all pairs the score 3, so there is no order"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, line, message):
    path = tmp_path / "en-de.tsv"
    path.write_text(f"3\ta\tb\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_sts(path)


def test_mistakes_in_the_directory(tmp_path):
    with pytest.raises(DataError, match="nowhere: is not a directory"):
        sts_files(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no file like en-de\.tsv"):
        sts_files(tmp_path)
    (tmp_path / "en-de.tsv").touch()
    with pytest.raises(UsageError, match=r"No en-fr in .*\. There: en-de\."):
        sts_files(tmp_path, ["en-fr"])


def test_a_model_that_gives_everything_one_vector(tmp_path):
    (tmp_path / "en-de.tsv").write_text("5\ta\tb\n3\tc\td\n", encoding="utf-8")
    with pytest.raises(EmbeddingError, match=r"All pairs of .*en-de\.tsv have the cosine 1"):
        evaluate_sts(lambda sentences: np.tile([1.0, 0.0], (len(sentences), 1)), tmp_path)
