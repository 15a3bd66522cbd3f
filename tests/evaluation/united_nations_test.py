"""Retrieval in the layout of the UN corpus: by hand, against all cosines, in bounded memory, from damaged files."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.report import EvaluatedModel
from lealla_tf.evaluation.united_nations import evaluate_united_nations
from lealla_tf.evaluation.united_nations_files import find_united_nations, read_distinct

# Degrees on a circle.
ANGLES = {"un": 0, "une": 0, "deux": 40, "trois": 80, "one": 5, "two": 60, "three": 85}


def embed_angles(sentences):
    angles = np.radians([ANGLES[sentence] for sentence in sentences])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def write(directory, name, lines):
    directory.mkdir(exist_ok=True)
    data = "".join(line + "\n" for line in lines).encode()
    (directory / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_hits_by_hand(tmp_path):
    """Of six lines one is blank on a side, and one repeats (un, one); (une, one) and (deux, two) are other pairs.

    Left are un-one, une-one, deux-two, trois-three. From French: un and une find the first "one", which is
    une's translation by its text alone; deux (40) is nearest to two (60), trois (80) to three (85). From
    English: both "one" find un, the first of the nearest; the second one's translation, une, is another text;
    two (60) is 20 from both deux and trois, and three finds trois.
    """
    write(tmp_path, "UNv1.0.en-fr.fr.gz", ["un", "une", "un", "", "deux", "trois"])
    write(tmp_path, "UNv1.0.en-fr.en", ["one", "one", "one", "two", "two", "three"])
    ANGLES["two"] = 59  # nearer to deux
    files = EmbeddingFiles(embed_angles, "f", tmp_path / "cache")
    result = evaluate_united_nations(files, tmp_path)
    (score,) = result.scores
    assert score.pair == "fr-en"
    assert score.counts == {"lines": 6, "blank": 1, "repeated": 1, "pairs": 4}
    assert score.by_line == (0.75, 0.75, 0.75)
    assert score.by_text == (1, 0.75, 0.875)
    assert result.metrics["united_nations/fr-en/source_to_target/precision_at_1"] == 0.75
    assert result.metrics["united_nations/fr-en/source_to_target/precision_at_1_by_text"] == 1
    assert result.metrics["united_nations/mean/mean/precision_at_1_by_text"] == 0.875
    assert not any("/paper/" in key for key in result.metrics)
    lines = result.report().text(EvaluatedModel(name="m", fingerprint="f", dim=2)).split("\n")
    assert lines[0] == "United Nations corpus (bilingual), precision at 1 in per cent, nearest neighbour by cosine"
    assert [line.split() for line in lines[5:8]] == [
        ["pair", "lines", "repeated", "searched", *["->", "<-", "mean"] * 2],
        ["fr-en", "6", "1", "4", "75.0", "75.0", "75.0", "100.0", "75.0", "87.5"],
        ["mean", "75.0", "75.0", "75.0", "100.0", "75.0", "87.5"],
    ]
    # A smaller pool: the first two distinct pairs.
    (score,) = evaluate_united_nations(files, tmp_path, most=2).scores
    assert (score.counts["pairs"], score.by_line) == (2, (0.5, 0.5, 0.5))


def test_agrees_with_all_cosines(tmp_path):
    """Six-way files with lines that are repeated on one side, on both and in one language only."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 60, 150)
    vectors = {}
    for code in ("en", "fr", "es", "ru", "zh", "ar"):
        lines = [f"{code} {row} {rng.integers(0, 2)}" for row in rows]
        meanings = np.random.default_rng(1).normal(size=(60, 6))
        for line in lines:
            vector = meanings[int(line.split()[1])] + 0.7 * rng.normal(size=6)
            vectors.setdefault(line, vector / np.linalg.norm(vector))
        write(tmp_path, f"UNv1.0.6way.{code}", lines)
    files = EmbeddingFiles(lambda sentences: np.array([vectors[s] for s in sentences]), "f", tmp_path / "cache")
    result = evaluate_united_nations(files, tmp_path)
    assert [score.pair for score in result.scores] == ["ar-en", "es-en", "fr-en", "ru-en", "zh-en"]
    for score in result.scores:
        texts = [(tmp_path / f"UNv1.0.6way.{code}").read_text().splitlines() for code in score.pair.split("-")]
        pairs = list(dict.fromkeys(zip(*texts, strict=True)))
        assert score.counts["pairs"] == len(pairs) < 150
        x, y = (np.array([vectors[pair[side]] for pair in pairs]) for side in (0, 1))
        x, y = x.astype(np.float32), y.astype(np.float32)
        for place, (queries, pool, side) in enumerate(((x, y, 1), (y, x, 0))):
            # Of equal vectors the first: unequal sums over equal rows would make it another.
            found = [int(np.argmax(np.round(pool.astype(float) @ query, 6))) for query in queries]
            by_line = np.mean([row == number for number, row in enumerate(found)])
            by_text = np.mean([pairs[row][side] == pairs[number][side] for number, row in enumerate(found)])
            assert score.by_line[place] == pytest.approx(by_line)
            assert score.by_text[place] == pytest.approx(by_text)
            assert by_text > by_line
    paper = [score.by_line[2] for score in result.scores if score.pair != "ar-en"]
    assert result.metrics["united_nations/paper/mean/precision_at_1"] == pytest.approx(np.mean(paper))
    assert result.report().lines[-1].startswith("paper is the mean of es, fr, ru and zh")


def test_what_is_there_is_found(tmp_path):
    for name in ("en-fr.en", "en-fr.fr", "es-fr.es", "es-fr.fr.gz", "ar-en.ar", "ar-en.en"):
        write(tmp_path, f"UNv1.0.{name}", ["x"])
    write(tmp_path, "README", ["not part of it"])
    part, found = find_united_nations(tmp_path)
    assert part == "bilingual"
    assert {pair: [path.name for path in paths] for pair, paths in found.items()} == {
        "ar-en": ["UNv1.0.ar-en.ar", "UNv1.0.ar-en.en"],
        "es-fr": ["UNv1.0.es-fr.es", "UNv1.0.es-fr.fr.gz"],
        "fr-en": ["UNv1.0.en-fr.fr", "UNv1.0.en-fr.en"],
    }
    # The order of the name is that of the pair.
    assert [path.suffix for path in find_united_nations(tmp_path, ["en-fr"])[1]["en-fr"]] == [".en", ".fr"]
    for code in ("en", "fr", "es"):
        write(tmp_path, f"UNv1.0.testset.{code}", ["x"])
    assert list(find_united_nations(tmp_path, None, "testset")[1]) == ["es-en", "fr-en"]
    assert list(find_united_nations(tmp_path, ["es-fr"], "testset")[1]) == ["es-fr"]
    for arguments, error, message in [
        ((None,), UsageError, "holds bilingual and testset; choose one with --part"),
        ((None, "6way"), UsageError, "No files of the part 6way in .* There: bilingual, testset"),
        ((["ru-en"], "bilingual"), UsageError, "No files for ru-en in .* There: ar-en, en-fr, es-fr"),
        ((["en-en"], "testset"), DataError, "no partner of it for en-en"),
        ((["fr-ru"], "testset"), DataError, r"holds UNv1\.0\.testset\.fr, but no partner of it for fr-ru"),
    ]:
        with pytest.raises(error, match=message):
            find_united_nations(tmp_path, *arguments)
    write(tmp_path, "UNv1.0.devset.en", ["x"])
    with pytest.raises(DataError, match=r"UNv1\.0\.devset\.en: is the only file of the part devset; add that of ano"):
        find_united_nations(tmp_path, None, "devset")
    with pytest.raises(DataError, match=r"holds no file like UNv1\.0\.6way\.en"):
        find_united_nations(tmp_path / "..")
    with pytest.raises(DataError, match="nowhere: is not a directory"):
        find_united_nations(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (["a", "b"], ["c"], r"\.fr:2: has no partner: .* has 2 lines and .* 1;"),
        (["a", ""], [" ", "c"], r"\.fr: holds no sentence that has a partner in UNv1\.0\.en-fr\.en"),
        ([], ["c"], r"\.fr: is empty"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, source, target, message):
    write(tmp_path, "UNv1.0.en-fr.fr", source)
    write(tmp_path, "UNv1.0.en-fr.en", target)
    with pytest.raises(DataError, match=message):
        read_distinct(find_united_nations(tmp_path)[1]["fr-en"], tmp_path)


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from lealla_tf.evaluation.embedding_files import EmbeddingFiles
from lealla_tf.evaluation.united_nations_files import read_distinct

# What is mapped from files is left out: the system takes it back as soon as it has another use for it.
def anonymous():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024

def embed(sentences):
    peaks.append(anonymous())
    return np.eye(128, dtype=np.float32)[[len(sentence) % 128 for sentence in sentences]]

directory, lines = Path(sys.argv[1]), int(sys.argv[2])
before, peaks = anonymous(), []
texts = read_distinct((directory / "a.gz", directory / "b"), directory)
assert len(texts.source) == lines, len(texts.source)
files = EmbeddingFiles(embed, "f", directory / "cache")
vectors = files.embed(texts.source, "a"), files.embed(texts.target, "b")
assert vectors[1].shape == (lines, 128)
print(max(*peaks, anonymous()) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it")
def test_memory_holds_neither_text_nor_embeddings(tmp_path):
    """150,000 pairs of 800 bytes a side: 240 MB of text, 154 MB of embeddings, 8 MB for lines, 50 MB for a chunk."""
    lines = 150_000
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as source, (tmp_path / "b").open("wb") as target:
        for number in range(lines):
            source.write(b"%d %s\n" % (number, b"x" * 790))
            target.write(b"%d %s\n" % (number, b"y" * 790))
    command = [sys.executable, "-c", MEMORY, str(tmp_path), str(lines)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 100e6
