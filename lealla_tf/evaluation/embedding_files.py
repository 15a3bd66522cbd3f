"""Embeddings of more sentences than memory holds: files, written chunk by chunk, gone on with, found again."""

import contextlib
import fcntl
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lealla_tf.errors import DataError
from lealla_tf.evaluation.embedding import EmbedFunction, embed_checked

# Called with what is embedded, the sentences done and those to do.
Progress = Callable[[str, int, int], None]

# Sentences that are embedded between two writes, and at most lost when a run is stopped.
_CHUNK = 16_384

Embeddings = npt.NDArray[np.float32]


class EmbeddingFiles:
    """Embeds sentences into the files of a directory; those that are there already are used.

    A file is named for the model and the sentences, so one that is found is right.  One that
    was begun, by a run that was stopped, is gone on with.

    Args:
        embed: Function from sentences to floats of shape `(count, dim)`, rows of unit length.
        fingerprint: Of the model behind `embed`; changes with everything that an embedding depends on.
        directory: Where the files are; made if need be.
        progress: Called after each chunk.
    """

    def __init__(
        self,
        embed: EmbedFunction,
        fingerprint: str,
        directory: str | os.PathLike[str],
        progress: Progress = lambda name, done, total: None,
    ) -> None:
        self._embed, self._fingerprint = embed, fingerprint
        self._directory, self._progress = Path(directory), progress

    def embed(self, sentences: Sequence[str], name: str) -> Embeddings:
        """The embeddings of `sentences`, float32 of shape `(sentences, dim)`, mapped from their file.

        Args:
            sentences: At least one; read in slices.
            name: What the file's name begins with and progress is reported of.

        Raises:
            EmbeddingError: if the model does not return one unit vector a sentence.
            DataError: if a file does not hold what it should, or another process writes it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{name}.{self._key(sentences)}.npy"
        if not path.exists():
            with _claimed(path.with_suffix(".partial")) as file:
                self._complete(file, sentences, name)
                os.replace(file.name, path)
        return _open(path, len(sentences))

    def _key(self, sentences: Sequence[str]) -> str:
        """What tells these sentences and this model from others."""
        digest = hashlib.sha256(f"{self._fingerprint}\n".encode())
        for start in range(0, len(sentences), _CHUNK):
            digest.update("".join(f"{sentence}\n" for sentence in sentences[start : start + _CHUNK]).encode())
        return digest.hexdigest()[:20]

    def _complete(self, file: IO[bytes], sentences: Sequence[str], name: str) -> None:
        """Embeds what is not yet in the file, and appends it."""
        done = _resume(file)
        for start in range(done, len(sentences), _CHUNK):
            vectors = embed_checked(self._embed, sentences[start : start + _CHUNK])
            if start == 0:
                file.write(_header(len(sentences), vectors.shape[1]))
            file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
            file.flush()
            # Or, if the power fails, the file could be as long as it should be, and hold zeros.
            os.fsync(file.fileno())
            self._progress(name, start + len(vectors), len(sentences))


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[IO[bytes]]:
    """The file at `path`, old or new, while no other process has it."""
    try:
        with path.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(
                    f"{path}: another process writes this file; wait for it, or name another --cache."
                ) from error
            yield file
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); make room, or name a directory that has some with --cache."
        ) from error


def _resume(file: IO[bytes]) -> int:
    """The number of rows that the file holds; what follows the last whole chunk is cut off."""
    file.seek(0)
    try:
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
    except ValueError:  # stopped before the first chunk was written
        file.truncate(0)
        return 0
    start, row = file.tell(), 4 * shape[1]
    chunks = (file.seek(0, os.SEEK_END) - start) // (row * _CHUNK)
    file.truncate(start + chunks * row * _CHUNK if chunks else 0)
    file.seek(0, os.SEEK_END)
    return chunks * _CHUNK


def _header(rows: int, dim: int) -> bytes:
    """What an .npy file of float32 `(rows, dim)` begins with."""
    buffer = io.BytesIO()
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _open(path: Path, rows: int) -> Embeddings:
    """The array of a complete file."""
    try:
        array: Embeddings = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise DataError(f"{path}: is damaged ({error}); remove it, to have it written again.") from error
    if array.ndim != 2 or len(array) != rows or array.dtype != np.float32:
        raise DataError(f"{path}: is not of {rows:,} sentences; remove it, to have it written again.")
    return array
