"""Embeddings to a file, block by block, for inputs that do not fit in memory."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from lealla_tf.files import atomic_file

Write = Callable[[np.ndarray[Any, Any]], None]

# NumPy pads the header to a multiple of 64 bytes; two such hold any number of rows.
_HEADER_BYTES = 128


@contextlib.contextmanager
def open_writer(path: str, dim: int) -> Iterator[Write]:
    """Yields a function that appends float32 `(count, dim)` to `path`.

    `*.npy` becomes one float32 array `(rows, dim)`; any other name a text file with a line of
    tab-separated numbers for each row, and `-` the same on standard output.  A file takes its
    place only when all rows are written.
    """
    if path == "-":
        yield lambda rows: _write_text(sys.stdout.buffer, rows)
        sys.stdout.buffer.flush()
        return
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        if Path(path).suffix != ".npy":
            yield lambda rows: _write_text(file, rows)
            return
        written = 0

        def write(rows: np.ndarray[Any, Any]) -> None:
            nonlocal written
            file.write(np.ascontiguousarray(rows, "<f4").tobytes())
            written += len(rows)

        file.write(bytes(_HEADER_BYTES))
        yield write
        file.seek(0)
        file.write(_header(written, dim))


def _header(rows: int, dim: int) -> bytes:
    """The header of an .npy file (format 1.0), padded to `_HEADER_BYTES`."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (rows, dim)})
    magic = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
    return magic + text.encode().ljust(_HEADER_BYTES - len(magic) - 1) + b"\n"


def _write_text(file: IO[bytes], rows: np.ndarray[Any, Any]) -> None:
    """A line of tab-separated numbers for each row, enough digits to give float32 back."""
    for row in rows:
        file.write("\t".join(f"{value:.9g}" for value in row).encode() + b"\n")
