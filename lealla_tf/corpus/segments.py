"""Sentence pairs in columns, and where they are loaded from piece by piece."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Segment:
    """Some pairs of a corpus, in columns of equal length.

    `source` and `target` are object arrays `(count,)` of UTF-8 bytes; `source_teacher` and
    `target_teacher` float16 `(count, teacher_dim)`, or `None` where there are no targets.
    """

    source: Array
    target: Array
    source_teacher: Array | None = None
    target_teacher: Array | None = None

    @classmethod
    def of_pairs(cls, pairs: Sequence[tuple[str, str]]) -> "Segment":
        """The segment of a list of decoded pairs, without a teacher's targets."""
        return cls(*(_column([pair[side].encode() for pair in pairs]) for side in (0, 1)))

    @classmethod
    def of_bytes(cls, source: Sequence[bytes], target: Sequence[bytes], *teacher: Array) -> "Segment":
        """The segment of encoded sentences and, optionally, both arrays of targets."""
        return cls(_column(source), _column(target), *teacher)

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Array | slice) -> "Segment":
        """The given rows, in the given order."""
        return Segment(**{name: column[rows] for name, column in self.columns().items()})

    def columns(self) -> dict[str, Array]:
        """The columns that there are, by name."""
        return {name: column for name, column in vars(self).items() if column is not None}

    def texts(self) -> tuple[list[str], list[str]]:
        """The source and the target sentences, decoded."""
        source, target = ([text.decode() for text in column] for column in (self.source, self.target))
        return source, target

    def fingerprint(self) -> int:
        """A CRC of the texts, in order; another text or order gives another."""
        value = 0
        for column in (self.source, self.target):
            # The last line break keeps the last source apart from the first target.
            value = zlib.crc32(b"\n".join((*column, b"")), value)
        return value


def concatenate(segments: Sequence[Segment]) -> Segment:
    """The rows of all segments, one after the other."""
    names = segments[0].columns()
    return Segment(**{name: np.concatenate([segment.columns()[name] for segment in segments]) for name in names})


class PairSource(Protocol):
    """The pairs of one language pair, in segments whose sizes are known beforehand."""

    @property
    def sizes(self) -> Sequence[int]:
        """The number of pairs in each segment."""

    def load(self, number: int) -> Segment:
        """The pairs of one segment."""


class InMemory:
    """A `PairSource` of one segment, which is held in memory."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self.sizes: Sequence[int] = (len(segment),)

    def load(self, number: int) -> Segment:
        """The segment; `number` is 0."""
        return self._segment


def _column(values: Sequence[bytes]) -> Array:
    """An object array of byte strings; NumPy's own would cut trailing NULs."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
