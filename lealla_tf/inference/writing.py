"""Embeddings to a file, block by block, for inputs that do not fit in memory; gone on with after a kill."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from lealla_tf.errors import DataError
from lealla_tf.files import errors_naming, read_json, write_json

Embeddings = np.ndarray[Any, Any]

# NumPy pads the header to a multiple of 64 bytes; two such hold any number of rows.
_HEADER_BYTES = 128

_ROWS_AT_ONCE = 1024


class Writer:
    """Appends rows of one width in one form; `open_writer` makes it.

    Attributes:
        rows: How many are written, those of an earlier attempt included.
        state: What was said of them: see `__call__`.
    """

    def __init__(self, file: IO[bytes], dim: int, form: Callable[[Embeddings], bytes]) -> None:
        self._file, self._dim, self._form = file, dim, form
        self.rows, self.state = 0, ""

    def __call__(self, rows: Embeddings, state: str = "") -> None:
        """Appends float32 `(count, dim)`.

        Args:
            rows: What to append.
            state: Whatever tells the caller, should this attempt be the last, what all rows up to here are of.

        Raises:
            ValueError: for rows of another width.
        """
        if rows.shape[1:] != (self._dim,):
            raise ValueError(f"Rows must have the shape (count, {self._dim}). Received: {rows.shape}.")
        for start in range(0, len(rows), _ROWS_AT_ONCE):  # a number takes many bytes on its way to text
            self._file.write(self._form(rows[start : start + _ROWS_AT_ONCE]))
        self.rows += len(rows)
        self.state = state


class _ResumableWriter(Writer):
    """Notes in a second file how far it got, each time the rows are safe on the disk."""

    def __init__(self, path: Path, file: IO[bytes], dim: int, origin: str) -> None:
        self._is_array = path.suffix == ".npy"
        super().__init__(file, dim, _raw if self._is_array else _text)
        self._path, self._notes = path, _notes(path)
        self._facts = {"origin": origin, "dim": dim}
        self._start()

    def __call__(self, rows: Embeddings, state: str = "") -> None:
        super().__call__(rows, state)
        self._flush()
        progress = {"rows": self.rows, "bytes": self._file.tell(), "state": state}
        write_json(self._notes, {**self._facts, **progress})

    def _start(self) -> None:
        """Goes on where the notes say that the last attempt got to, or from the beginning."""
        begun = self._file.seek(0, os.SEEK_END)
        notes = read_json(self._notes) if begun and self._notes.is_file() else None
        if notes is None:
            self._notes.unlink(missing_ok=True)
            self._file.truncate(0)
            self._file.seek(0)
            self._file.write(bytes(_HEADER_BYTES if self._is_array else 0))
            return
        remedy = f"remove {self._notes}, to begin anew, or name another --output."
        if not isinstance(notes, dict) or {name: notes.get(name) for name in self._facts} != self._facts:
            raise DataError(f"{self._file.name}: was begun with another model; use that, or {remedy}")
        if begun < notes["bytes"]:
            raise DataError(f"{self._file.name}: is shorter than it was left; {remedy}")
        self.rows, self.state = notes["rows"], notes["state"]
        self._file.truncate(notes["bytes"])
        self._file.seek(notes["bytes"])

    def finish(self) -> None:
        """Puts the file in its place."""
        if self._is_array:
            self._file.seek(0)
            self._file.write(_header(self.rows, self._dim))
        self._flush()
        os.replace(self._file.name, self._path)
        self._notes.unlink(missing_ok=True)

    def _flush(self) -> None:
        """Forces what is written to the disk, so that the notes never say more than is there."""
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def open_writer(path: str, dim: int, origin: str = "") -> Iterator[Writer]:
    """Yields a `Writer` that appends float32 `(count, dim)` to `path`.

    `*.npy` becomes one float32 array `(rows, dim)`; any other name a text file with a line of
    tab-separated numbers for each row, and `-` the same on standard output.  A file takes its
    place only when all rows are written.  Until then they are in `<path>.partial`, and if the
    block is left before, by an error or a kill, the next writer of the same path goes on there:
    its `rows` and `state` are those of the last call that was completed.

    Args:
        path: The file to write.
        dim: Width of the rows.
        origin: What the rows are made with; rows of another origin are not gone on with.

    Raises:
        DataError: if another process writes the file, or it was begun with another origin or width.
    """
    if path == "-":
        yield Writer(sys.stdout.buffer, dim, _text)
        sys.stdout.buffer.flush()
        return
    partial = Path(f"{path}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with errors_naming(Path(path), partial), _claimed(partial) as file:
        writer = _ResumableWriter(Path(path), file, dim, origin)
        try:
            yield writer
            writer.finish()
        finally:
            if not writer.rows:  # nothing to go on with
                partial.unlink(missing_ok=True)
                _notes(Path(path)).unlink(missing_ok=True)


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[IO[bytes]]:
    """The file at `path`, old or new, while no other process has it."""
    with path.open("ab"):  # so that there is one
        pass
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # What was opened may have been given its final name by a process that has ended since.
            free = path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
        except BlockingIOError:
            free = False
        if not free:
            raise DataError(f"{path}: another process writes this file; wait for it, or name another --output.")
        yield file


def _notes(path: Path) -> Path:
    """Where it is noted how far the file at `path` got."""
    return Path(f"{path}.partial.json")


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
