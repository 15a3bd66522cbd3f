import collections
import os
import random
import re
import subprocess
import sys

import pytest

from lealla_tf.errors import DataError
from lealla_tf.text.learning import RESERVED_PIECES, Sample, choose_alphabet, fixed_pieces, learn, sample_sentences


def random_text(seed, count=400):
    """Sentences of random words: nearly all pairs of pieces are as frequent as many others."""
    generator = random.Random(seed)
    letters = "abcdefghijklmnoäöü"
    words = ["".join(generator.choices(letters, k=generator.randint(2, 7))) for _ in range(300)]
    return [" ".join(generator.choices(words, k=6)) + "." for _ in range(count)]


def test_reserved_pieces_have_their_ids_in_labse():
    vocabulary = learn(random_text(0), 300)

    assert vocabulary.pieces[: len(RESERVED_PIECES)] == RESERVED_PIECES
    assert len(RESERVED_PIECES) == 104
    assert (vocabulary.pad_id, vocabulary.pieces[1], vocabulary.pieces[99]) == (0, "[unused1]", "[unused99]")
    assert (vocabulary.unknown_id, vocabulary.start_id, vocabulary.end_id, vocabulary.mask_id) == (100, 101, 102, 103)


def test_merges_by_hand():
    # Pairs: a ##b 5 + 3 = 8, then ab ##c 3 and c ##a 2; the comma is a word of its own.
    text = ["ab, ab, ab, ab, ab,", "abc abc abc", "ca ca"]

    vocabulary = learn(text, 104 + 4 + 3 + 3, alphabet="abc,")

    assert vocabulary.pieces[104:] == (",", "a", "b", "c", "##a", "##b", "##c", "ab", "abc", "ca")


def test_size_is_exact_and_ids_are_unique():
    vocabulary = learn(random_text(1), 500)

    assert len(vocabulary) == len(set(vocabulary.pieces)) == 500


def test_learning_is_repeatable_on_any_number_of_threads():
    text = random_text(2, 3000)
    expected = learn(text, 900).fingerprint
    program = (
        "import sys; from lealla_tf.text.learning import learn;"
        "print(learn(sys.stdin.read().splitlines(), 900).fingerprint)"
    )

    assert [learn(text, 900).fingerprint for _ in range(2)] == [expected] * 2
    for threads in ("1", "2", "5"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        output = subprocess.run(
            [sys.executable, "-c", program],
            input="\n".join(text),
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        assert output.strip() == expected, f"{threads} threads"


def test_characters_that_no_word_can_hold_do_not_enter():
    text = ["a\x00b a\x07b \x85 a\u200db a\u00a0b \ufffd \ue000 ab\u2028"] * 3 + ["汉字，汉"] * 3

    vocabulary = learn(text, len(fixed_pieces(choose_alphabet({"": text}, 1.0))) + 1)

    others = [piece for piece in vocabulary.pieces[104:] if not piece.isascii()]
    assert others == ["字", "汉", "，"]  # ideographs and punctuation have no ## form
    assert all(piece.isprintable() for piece in vocabulary.pieces)
    assert vocabulary.pieces[-1] == "ab"  # what is deleted leaves one word


def test_characters_outside_the_alphabet_part_words():
    vocabulary = learn(["abxab abxab"], 104 + 4 + 1, alphabet="ab")

    assert vocabulary.pieces[-1] == "ab"
    with pytest.raises(DataError, match="it gives 109"):  # and not "abab"
        learn(["abxab abxab"], 110, alphabet="ab")


def test_pieces_have_at_most_32_characters():
    vocabulary = learn(["ก" * 60] * 4, len(fixed_pieces("ก")) + 5, alphabet="ก")

    assert max(map(len, vocabulary.pieces[104:])) <= 32


def test_impossible_sizes_are_refused():
    message = (
        "A vocabulary of 110 pieces is too small: the reserved pieces and the characters of the corpus take 110 "
        "already. Ask for more pieces, or keep fewer characters."
    )
    with pytest.raises(DataError, match=re.escape(message)):
        learn(["abc abc"], 110, alphabet="abc")
    message = (
        "The corpus is too small for a vocabulary of 200 pieces: it gives 112. Ask for at most that many, or add text."
    )
    with pytest.raises(DataError, match=re.escape(message)):
        learn(["abc abc"], 200, alphabet="abc")


def test_alphabet_by_hand():
    # German: 8 ä, 1 ö, 1 ü; 0.8 takes the ä alone, 0.81 one more, and of two the first code point.
    sentences = {"de": ["ää ää ää ää ö", "ü"], "el": ["αα αα"]}
    ascii_only = [chr(point) for point in range(33, 127)]

    assert choose_alphabet(sentences, 0.8) == [*ascii_only, "ä", "α"]
    assert choose_alphabet(sentences, 0.81) == [*ascii_only, "ä", "ö", "α"]
    assert choose_alphabet(sentences, 1) == [*ascii_only, "ä", "ö", "ü", "α"]


@pytest.mark.parametrize("coverage", [0, -0.1, 1.01])
def test_wrong_coverage_is_refused(coverage):
    with pytest.raises(ValueError, match=r"`coverage` must be in \(0, 1\]. Received: coverage="):
        choose_alphabet({"de": ["a"]}, coverage)


def labelled(counts):
    """Distinct sentences of each language, the languages in a random order."""
    labels = [language for language, count in counts.items() for _ in range(count)]
    random.Random(9).shuffle(labels)
    numbers = collections.Counter()
    for label in labels:
        numbers[label] += 1
        yield label, f"{label} {numbers[label]}"


def test_quotas_by_hand():
    # 1700 sentences; square roots 40 and 10: 4/5 and 1/5 of 1700. 20 and 5 are set aside.
    sample = sample_sentences(labelled({"en": 1600, "de": 100}), temperature=0.5, held_out=20)

    assert sample.counts == {"de": 100, "en": 1600}
    assert {language: len(rows) for language, rows in sample.learning.items()} == {"de": 340, "en": 1360}
    assert {language: len(rows) for language, rows in sample.held_out.items()} == {"de": 5, "en": 20}
    repeats = collections.Counter(sample.learning["de"])
    assert len(repeats) == 95
    assert set(repeats.values()) == {3, 4}  # 340 = 95 * 3 + 55
    assert len(set(sample.learning["en"])) == 1360
    for language in ("en", "de"):
        assert not set(sample.learning[language]) & set(sample.held_out[language])


@pytest.mark.parametrize(("temperature", "expected"), [(1, {"a": 800, "b": 200}), (0, {"a": 500, "b": 500})])
def test_temperature_1_keeps_shares_and_0_makes_them_equal(temperature, expected):
    sample = sample_sentences(labelled({"a": 4000, "b": 1000}), temperature, max_sentences=1000)

    assert {language: len(rows) for language, rows in sample.learning.items()} == expected


def test_cutting_while_reading_changes_nothing():
    """The definition without any bound on memory: a number for each, the smallest are taken."""
    counts = {"en": 9000, "de": 3000, "sw": 500}
    draw = random.Random(5).random
    everything = collections.defaultdict(list)
    for language, sentence in labelled(counts):
        everything[language].append((draw(), sentence))

    sample = sample_sentences(labelled(counts), temperature=0.7, seed=5, max_sentences=1000, held_out=30)

    weights = {language: count**0.7 for language, count in counts.items()}
    for language, entries in everything.items():
        ordered = [sentence for _, sentence in sorted(entries)]
        aside = len(sample.held_out[language])
        assert aside == (25 if language == "sw" else 30)
        assert sample.held_out[language] == ordered[:aside]
        quota = round(1000 * weights[language] / sum(weights.values()))
        assert sample.learning[language] == ordered[aside : aside + quota]


def test_memory_is_bounded():
    """What stays reachable while reading is at most 1.5 times what was asked for."""
    alive = 0
    most = 0

    class Sentence(str):
        __slots__ = ()

        def __new__(cls, text):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return super().__new__(cls, text)

        def __del__(self):
            nonlocal alive
            alive -= 1

    stream = (("ab"[index % 3 == 0], Sentence(index)) for index in range(20_000))
    sample_sentences(stream, max_sentences=1000, held_out=10)

    assert 1000 < most <= 1500 + 2 * 10 + 2


def test_many_languages_with_few_sentences_each():
    """More are set aside than drawn; the sample is still right, and reading still fast."""
    counts = {f"{letter}{other}": 400 for letter in "abcde" for other in "abcdef"}

    sample = sample_sentences(labelled(counts), max_sentences=60, held_out=1000)

    assert {len(rows) for rows in sample.learning.values()} == {2}
    assert {len(rows) for rows in sample.held_out.values()} == {20}


def test_seed_decides():
    def draw(seed):
        return sample_sentences(labelled({"en": 500, "de": 100}), seed=seed, max_sentences=100)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert isinstance(draw(1), Sample)


def test_wrong_arguments_and_empty_corpus_are_refused():
    with pytest.raises(ValueError, match=re.escape("`temperature` must be in [0, 1]. Received: temperature=1.5.")):
        sample_sentences([], temperature=1.5)
    with pytest.raises(ValueError, match=r"`max_sentences` must be at least 1. Received: max_sentences=0"):
        sample_sentences([], max_sentences=0)
    with pytest.raises(DataError, match="The corpus has no sentences; name one that has"):
        sample_sentences([])
