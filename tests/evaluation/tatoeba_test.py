"""The Tatoeba benchmark end to end, on small directories and on the real one."""

import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.embedding import EmbeddingError
from lealla_tf.evaluation.tatoeba import checksum, evaluate_tatoeba, read_benchmark

PAIRS = {
    "deu": [("Das Wasser ist warm.", "The water is warm."), ("Wer ist Tom?", "Who is Tom?"), ("Gut!", "Good!")],
    "fra": [("Qui est Tom ?", "Who is Tom?"), ("L'animal est intelligent.", "The animal is intelligent.")],
    "kab": [("Azul.", "Hello."), ("Anwa-t?", "Who is it?")],
}


def write(directory, pairs=PAIRS):
    for code, rows in pairs.items():
        for side, column in ((code, 0), ("eng", 1)):
            text = "".join(row[column] + "\n" for row in rows)
            (directory / f"tatoeba.{code}-eng.{side}").write_text(text, encoding="utf-8")
    return directory


def embed_ngrams(sentences, dim=4096):
    """Unit vectors of the character bigrams and trigrams that occur: translations share those of names and cognates."""
    vectors = np.zeros((len(sentences), dim), np.float32)
    for row, sentence in zip(vectors, sentences, strict=True):
        text = f" {sentence.lower()} "
        for n in (2, 3):
            for start in range(len(text) - n + 1):
                row[zlib.crc32(text[start : start + n].encode()) % dim] = 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embed_table(table):
    return lambda sentences: np.array([table[sentence] for sentence in sentences])


def test_three_sentences_by_hand(tmp_path):
    """Source 2 lies nearest to target 0 (0.96 > 0.28 and 0.8), target 2 to source 1 (0.6 > 0.28): 2/3 each.

    The first two are their own nearest: 1 > 0.6 and 0.96 > 0.8 by row, 1 > 0.96 and 0.96 > 0.8 by column.
    """
    write(tmp_path, {"deu": [("eins", "one"), ("zwei", "two"), ("drei", "three")]})
    table = {
        "eins": (1, 0),
        "zwei": (0.8, 0.6),
        "drei": (0.96, 0.28),
        "one": (1, 0),
        "two": (0.6, 0.8),
        "three": (0, 1),
    }
    (score,) = evaluate_tatoeba(embed_table(table), tmp_path).scores
    assert (score.code, score.pairs) == ("deu", 3)
    assert (score.source_to_target, score.target_to_source) == pytest.approx((2 / 3, 2 / 3))


def test_source_is_the_foreign_language(tmp_path):
    """Both German sentences are nearest to "one", each English one to its own: 1/2 and 1."""
    write(tmp_path, {"deu": [("eins", "one"), ("zwei", "two")]})
    table = {"eins": (1, 0), "zwei": (0.96, 0.28), "one": (1, 0), "two": (0, 1)}
    metrics = evaluate_tatoeba(embed_table(table), tmp_path).metrics
    assert metrics["tatoeba/deu-eng/source_to_target/precision_at_1"] == 0.5
    assert metrics["tatoeba/deu-eng/target_to_source/precision_at_1"] == 1
    assert metrics["tatoeba/deu-eng/mean/precision_at_1"] == 0.75


def test_ngrams_end_to_end(tmp_path):
    write(tmp_path)
    (tmp_path / "README.md").write_text("not part of it", encoding="utf-8")
    calls = []
    result = evaluate_tatoeba(
        embed_ngrams,
        tmp_path,
        groups={"mine": ("deu", "fra")},
        trained_languages=["de", "fr", "en"],
        progress=lambda score, done, total: calls.append((score.code, done, total)),
    )
    assert [(s.code, s.pairs, s.trained) for s in result.scores] == [
        ("deu", 3, True),
        ("fra", 2, True),
        ("kab", 2, False),
    ]
    assert [s.mean for s in result.scores[:2]] == [1, 1]
    assert calls == [("deu", 6, 14), ("fra", 10, 14), ("kab", 14, 14)]
    groups = {group.name: group for group in result.groups}
    assert list(groups) == ["14", "36", "all", "mine", "evaluated"]
    assert groups["mine"].mean == 1
    assert groups["14"].mean is None
    assert len(groups["all"].missing) == 109
    assert result == evaluate_tatoeba(
        embed_ngrams, tmp_path, groups={"mine": ("deu", "fra")}, trained_languages=["de", "fr", "en"]
    )


def test_order_of_the_pairs_does_not_matter(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    sentences = [list(rng.choice(words, 4)) for _ in range(40)]
    pairs = [(" ".join(s), " ".join([s[0], *rng.choice(words, 3)])) for s in sentences]
    results = []
    for name, order in (("first", range(40)), ("second", rng.permutation(40))):
        directory = tmp_path / name
        directory.mkdir()
        results.append(evaluate_tatoeba(embed_ngrams, write(directory, {"deu": [pairs[i] for i in order]})))
    assert results[0].scores == results[1].scores
    assert 0.2 < results[0].scores[0].mean < 0.9
    assert results[0].checksum != results[1].checksum


def test_languages_are_chosen_sorted_and_once(tmp_path):
    assert list(read_benchmark(write(tmp_path), ["kab", "deu", "kab"])) == ["deu", "kab"]


def test_only_line_feeds_end_a_sentence(tmp_path):
    (tmp_path / "tatoeba.deu-eng.deu").write_bytes("a\u2028b\x0bc \r\nd\x85e".encode())
    (tmp_path / "tatoeba.deu-eng.eng").write_bytes(b"one\r\ntwo\n")
    assert read_benchmark(tmp_path)["deu"] == (["a\u2028b\x0bc", "d\x85e"], ["one", "two"])


def test_a_byte_order_mark_is_no_part_of_a_sentence(tmp_path):
    (tmp_path / "tatoeba.deu-eng.deu").write_bytes(b"\xef\xbb\xbfa\n")
    (tmp_path / "tatoeba.deu-eng.eng").write_bytes(b"one\n")
    assert read_benchmark(tmp_path)["deu"] == (["a"], ["one"])


def test_checksum_is_of_the_files_evaluated(tmp_path):
    write(tmp_path)
    both, one = checksum(tmp_path, ["fra", "deu"]), checksum(tmp_path, ["deu"])
    assert both == checksum(tmp_path, ["deu", "fra"]) != one
    assert evaluate_tatoeba(embed_ngrams, tmp_path, ["deu"]).checksum == one
    (tmp_path / "tatoeba.fra-eng.eng").write_text("Who is Tom?\nAn animal.\n", encoding="utf-8")
    assert checksum(tmp_path, ["deu"]) == one
    assert checksum(tmp_path, ["deu", "fra"]) != both


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tatoeba.deu-eng.eng", None, "tatoeba.deu-eng.eng: is missing, but tatoeba.deu-eng.deu is there; add it"),
        ("tatoeba.deu-eng.deu", None, "tatoeba.deu-eng.deu: is missing, but tatoeba.deu-eng.eng is there; add it"),
        ("tatoeba.deu-eng.eng", b"a\nb\n", "tatoeba.deu-eng.deu:3: has no partner: .*.deu has 3 lines and .*.eng 2;"),
        ("tatoeba.deu-eng.eng", b"a\nb\nc\nd\n", "tatoeba.deu-eng.eng:4: has no partner: .*.deu has 3 lines and .* 4;"),
        ("tatoeba.deu-eng.deu", b"a\nb\xe9\nc\n", "tatoeba.deu-eng.deu:2: is not UTF-8 text; convert the file"),
        ("tatoeba.deu-eng.deu", b"", "tatoeba.deu-eng.deu: is empty; fetch the file again"),
        ("tatoeba.deu-eng.deu", b"\n \n", "tatoeba.deu-eng.deu: is empty; fetch the file again"),
        ("tatoeba.deu-eng.deu", b"a\n \t\nc\n", "tatoeba.deu-eng.deu:2: is blank; every line must hold a sentence"),
    ],
)
def test_broken_files_are_named_before_anything_is_embedded(tmp_path, name, content, message):
    write(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))}/{message}"):
        evaluate_tatoeba(lambda sentences: pytest.fail("embedded"), tmp_path)
    assert list(read_benchmark(tmp_path, ["fra"])) == ["fra"]  # the other languages stay usable


def test_directories_that_are_not_the_benchmark(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: is not a directory; name the one with tatoeba"):
        evaluate_tatoeba(embed_ngrams, tmp_path / "nowhere")
    (tmp_path / "tatoeba.deu-eng.fra").write_text("a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds no tatoeba.<code>-eng.<code> file; name the benchmark's directory."):
        evaluate_tatoeba(embed_ngrams, tmp_path)


def test_languages_that_are_not_there(tmp_path):
    write(tmp_path)
    with pytest.raises(UsageError, match=r"No Tatoeba files for de, xyz in .*There: deu, fra, kab."):
        evaluate_tatoeba(embed_ngrams, tmp_path, ["xyz", "deu", "de"])
    with pytest.raises(UsageError, match="No language to evaluate on Tatoeba"):
        evaluate_tatoeba(embed_ngrams, tmp_path, [])


def test_names_of_groups_that_are_taken(tmp_path):
    with pytest.raises(ValueError, match=r"A group must not be called 14, 36, all. Received: \['14'\]"):
        evaluate_tatoeba(embed_ngrams, write(tmp_path), groups={"14": ["deu"]})


def test_vectors_that_are_not_normalised_are_refused(tmp_path):
    with pytest.raises(EmbeddingError, match="of unit length"):
        evaluate_tatoeba(lambda sentences: 2 * embed_ngrams(sentences), write(tmp_path))


@pytest.fixture(scope="module")
def real_benchmark():
    if "LEALLA_DATA" not in os.environ:
        pytest.skip("LEALLA_DATA is not set")
    return Path(os.environ["LEALLA_DATA"], "tatoeba")


@pytest.mark.slow
def test_all_of_the_real_benchmark_is_read(real_benchmark):
    pairs = read_benchmark(real_benchmark)
    assert len(pairs) == 112
    assert sum(len(source) + len(target) for source, target in pairs.values()) == 177_754
    # evaluate_tatoeba's reason to embed a language at a time
    assert len({sentence for sides in pairs.values() for side in sides for sentence in side}) == 158_078


@pytest.mark.slow
def test_ngrams_find_cognates_in_the_real_benchmark(real_benchmark):
    """Chance is 0.001.  German shares names and cognates with English, Chinese digits and Latin names at most.

    Measured: German 0.227, Chinese 0.017.
    """
    result = evaluate_tatoeba(embed_ngrams, real_benchmark, ["deu", "cmn"])
    scores = {score.code: score.mean for score in result.scores}
    assert scores["deu"] > 0.15
    assert scores["cmn"] < 0.05
