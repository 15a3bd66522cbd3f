import pytest

from lealla_tf.text import coverage as module
from lealla_tf.text.coverage import Coverage, coverage_table, measure_coverage
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

TOKENIZER = Tokenizer(Vocabulary([*SPECIAL_PIECES, "ab", "##c", "!", "汉"]), "exact")
SENTENCES = ["abc ab!", "xyz", "", "汉字", "abcc"]


# Words: abc, ab, !, [UNK]; [UNK] for 字; abcc. Pieces: 2 + 1 + 1, 1, 0, 1 + 1, 3.
@pytest.mark.parametrize("batch", [1, 2, 4096])
def test_counts_by_hand(monkeypatch, batch):
    monkeypatch.setattr(module, "_BATCH", batch)

    coverage = measure_coverage(TOKENIZER, SENTENCES)

    assert coverage == Coverage(sentences=5, words=7, pieces=10, unknown=2)
    assert coverage.unknown_rate == 2 / 7
    assert coverage.pieces_per_word == 10 / 7
    assert coverage.pieces_per_sentence == 2


def test_no_text_has_no_rates():
    coverage = measure_coverage(TOKENIZER, [])

    assert coverage == Coverage(0, 0, 0, 0)
    assert (coverage.unknown_rate, coverage.pieces_per_word, coverage.pieces_per_sentence) == (0, 0, 0)


def test_table():
    table = coverage_table({"de": Coverage(1000, 6319, 9000, 1), "zh-Hant": Coverage(5, 7, 10, 2)})

    assert table.split("\n") == [
        "language  sentences  words  unknown %  pieces/word  pieces/sentence",
        "de            1,000  6,319      0.016         1.42              9.0",
        "zh-Hant           5      7     28.571         1.43              2.0",
    ]
