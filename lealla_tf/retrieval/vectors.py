"""Embeddings as they are searched: arrays in memory or on disk, read and checked block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """The rows of an array, of which only what is asked for comes into memory.

    Args:
        name: What the array is called in errors.
        array: Real numbers of shape `(rows, dim)`; may be memory-mapped.
        dtype: What they are read as.
    """

    name: str
    array: Vectors
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.array)

    @property
    def dim(self) -> int:
        """The width of a row."""
        return int(self.array.shape[1])

    def read(self, start: int, stop: int) -> Vectors:
        """The rows from `start` to `stop`, or to the end if that comes first, as `dtype`.

        Raises:
            ValueError: naming the first row with a NaN or an infinity, which no search would survive.
        """
        rows = self.array[start:stop].astype(self.dtype, copy=False)
        finite = np.isfinite(rows)
        if not finite.all():
            row = start + int(np.argmin(finite.all(axis=1)))
            raise ValueError(f"`{self.name}` must hold finite numbers. Received: NaN or infinity in row {row}.")
        return rows

    def blocks(self, size: int) -> Iterator[tuple[int, Vectors]]:
        """All rows, `size` at a time, each block with the index of its first row."""
        for start in range(0, len(self), size):
            yield start, self.read(start, start + size)


def check_vectors(**vectors: Vectors) -> tuple[Rows, Rows]:
    """Two arrays to compare with each other; errors call them by their keywords.

    They are read as float32, or as float64 if one of them holds what float32 cannot.

    Raises:
        ValueError: if an array is not 2-D, has no row or no column or is not of real numbers,
            or if the widths differ. That the numbers are finite shows when they are read.
    """
    arrays = {name: np.asarray(value) for name, value in vectors.items()}
    for name, array in arrays.items():
        if array.ndim != 2:
            raise ValueError(f"`{name}` must be 2-D, of shape (rows, dim). Received: shape {array.shape}.")
        if 0 in array.shape:
            raise ValueError(f"`{name}` must not be empty. Received: shape {array.shape}.")
        if not _is_real(array.dtype):
            raise ValueError(f"`{name}` must hold real numbers. Received: type {array.dtype}.")
    (first_name, first), (second_name, second) = arrays.items()
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"`{first_name}` and `{second_name}` must have rows of the same width. "
            f"Received: shapes {first.shape} and {second.shape}."
        )
    narrow = np.result_type(np.float32, first.dtype, second.dtype) == np.float32
    dtype = np.dtype(np.float32 if narrow else np.float64)
    return Rows(first_name, first, dtype), Rows(second_name, second, dtype)


def _is_real(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type become float32 or float64: integers and bfloat16 do."""
    try:
        return np.result_type(np.float32, dtype).kind == "f"
    except TypeError:  # what has no common type with a number, such as dates
        return False
