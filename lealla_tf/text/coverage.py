"""How well a vocabulary covers each language, measured with the tokenizer that will be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from lealla_tf.text.tokenizer import Tokenizer

_BATCH = 4096


@dataclass(frozen=True)
class Coverage:
    """Counts of one language's text.

    An ideograph or a punctuation mark is a word; an unknown word is one piece, `[UNK]`.
    """

    sentences: int
    words: int
    pieces: int
    unknown: int

    @property
    def unknown_rate(self) -> float:
        """The part of the words that are `[UNK]`."""
        return self.unknown / self.words if self.words else 0.0

    @property
    def pieces_per_word(self) -> float:
        """Mean number of pieces of a word: 1 if every word is a piece."""
        return self.pieces / self.words if self.words else 0.0

    @property
    def pieces_per_sentence(self) -> float:
        """Mean number of pieces of a sentence, special tokens not counted."""
        return self.pieces / self.sentences if self.sentences else 0.0


def measure_coverage(tokenizer: Tokenizer, sentences: Sequence[str]) -> Coverage:
    """Tokenizes `sentences` and counts.

    Args:
        tokenizer: what the model will be fed by.
        sentences: text of one language that the vocabulary was not learned from.

    Returns:
        The counts.
    """
    words = pieces = unknown = 0
    for start in range(0, len(sentences), _BATCH):
        batch = tokenizer.tokenize(tf.constant(sentences[start : start + _BATCH]))
        words += int(batch.values.nrows())
        pieces += int(tf.size(batch.flat_values))
        unknown += int(tf.math.count_nonzero(batch.flat_values == tokenizer.vocabulary.unknown_id))
    return Coverage(len(sentences), words, pieces, unknown)


def coverage_table(coverages: Mapping[str, Coverage]) -> str:
    """The coverages as an aligned table, one row a language, unknown words in per cent.

    Args:
        coverages: language -> its coverage.

    Returns:
        Lines of text, the last without a newline.
    """
    rows = [("language", "sentences", "words", "unknown %", "pieces/word", "pieces/sentence")]
    for language, coverage in coverages.items():
        rows.append(
            (
                language,
                f"{coverage.sentences:,}",
                f"{coverage.words:,}",
                f"{100 * coverage.unknown_rate:.3f}",
                f"{coverage.pieces_per_word:.2f}",
                f"{coverage.pieces_per_sentence:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)
