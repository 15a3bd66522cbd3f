"""Embeddings to a file, block by block, for inputs that do not fit in memory."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from lealla_tf.files import atomic_file

Embeddings = np.ndarray[Any, Any]
Write = Callable[[Embeddings], None]

# NumPy pads the header to a multiple of 64 bytes; two such hold any number of rows.
_HEADER_BYTES = 128

_ROWS_AT_ONCE = 1024


@contextlib.contextmanager
def open_writer(path: str, dim: int) -> Iterator[Write]:
    """Yields a function that appends float32 `(count, dim)` to `path`.

    `*.npy` becomes one float32 array `(rows, dim)`; any other name a text file with a line of
    tab-separated numbers for each row, and `-` the same on standard output.  A file takes its
    place only when all rows are written.

    Raises:
        ValueError: by the function, for rows that have another width than `dim`.
    """
    if path == "-":
        yield _Writer(sys.stdout.buffer, dim, _text)
        sys.stdout.buffer.flush()
        return
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        if Path(path).suffix != ".npy":
            yield _Writer(file, dim, _text)
            return
        file.write(bytes(_HEADER_BYTES))
        writer = _Writer(file, dim, _raw)
        yield writer
        file.seek(0)
        file.write(_header(writer.written, dim))


class _Writer:
    """Appends rows of one width in one form, and counts them."""

    def __init__(self, file: IO[bytes], dim: int, form: Callable[[Embeddings], bytes]) -> None:
        self._file, self._dim, self._form = file, dim, form
        self.written = 0

    def __call__(self, rows: Embeddings) -> None:
        if rows.shape[1:] != (self._dim,):
            raise ValueError(f"Rows must have the shape (count, {self._dim}). Received: {rows.shape}.")
        for start in range(0, len(rows), _ROWS_AT_ONCE):  # a number takes many bytes on its way to text
            self._file.write(self._form(rows[start : start + _ROWS_AT_ONCE]))
        self.written += len(rows)


def _header(rows: int, dim: int) -> bytes:
    """The header of an .npy file (format 1.0), padded to `_HEADER_BYTES`."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (rows, dim)})
    magic = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
    return magic + text.encode().ljust(_HEADER_BYTES - len(magic) - 1) + b"\n"


def _raw(rows: Embeddings) -> bytes:
    """Little-endian float32, row by row."""
    return np.ascontiguousarray(rows, "<f4").tobytes()


def _text(rows: Embeddings) -> bytes:
    """A line of tab-separated numbers for each row, with enough digits to give float32 back."""
    line = "\t".join(["%.9g"] * rows.shape[1]) + "\n"
    return "".join(line % tuple(row) for row in rows.tolist()).encode()
