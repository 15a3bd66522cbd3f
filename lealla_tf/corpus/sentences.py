"""The sentences of a text file by their number, with the text left on disk."""

import codecs
import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
import numpy.typing as npt

from lealla_tf.corpus.lines import read_chunks
from lealla_tf.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_LINE_FEED = 10

Rows = npt.NDArray[np.int64]


class Sentences(Sequence[str]):
    """Lines of a UTF-8 file, of which memory holds 16 bytes each and no text.

    A sentence is read when it is asked for, without the white space around it.  The file must
    stay as it is as long as its sentences are used.

    Args:
        text: What holds the lines, such as a memory-mapped file.
        starts: Where each line begins, int64 of shape `(lines,)`.
        stops: Where each line ends, without its line feed.
    """

    def __init__(self, text: bytes | mmap.mmap, starts: Rows, stops: Rows) -> None:
        self._text, self._starts, self._stops = text, starts, stops

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            places = zip(self._starts[index].tolist(), self._stops[index].tolist(), strict=True)
            return [self._text[start:stop].decode().strip() for start, stop in places]
        return self._text[self._starts[index] : self._stops[index]].decode().strip()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 4096):
            yield from self[start : start + 4096]

    def take(self, rows: npt.NDArray[Any]) -> "Sentences":
        """Those of `rows`, which are numbers in any order or a mask."""
        return Sentences(self._text, self._starts[rows], self._stops[rows])


def open_sentences(path: str | os.PathLike[str], scratch: str | os.PathLike[str]) -> Sentences:
    r"""The lines of a file, plain or gzipped; only `\n` ends one, and a line may be blank.

    Args:
        path: The file; what can be read only once, such as a pipe, is copied too.
        scratch: An existing directory for the text of a file that is gzipped.

    Raises:
        DataError: if the file is missing, a directory, empty, damaged or not UTF-8.
    """
    name = os.fspath(path)
    chunks = _checked(name, read_chunks(name))
    if _is_plain(name):
        starts, stops = _find_lines(chunks)
        text = _mapped(name)
    else:
        digest = hashlib.sha256(os.path.realpath(name).encode()).hexdigest()[:16]
        copy = Path(scratch) / f"{Path(name).name}.{digest}.txt"
        with scratch_file(copy) as file:
            starts, stops = _find_lines(_copied(file, chunks))
        text = _mapped(copy)
    if text[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8:
        starts[0] = len(codecs.BOM_UTF8)
    return Sentences(text, starts, stops)


@contextlib.contextmanager
def scratch_file(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file to write; `DataError`, which says what to do, if there is no room for it."""
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); make room, or let TMPDIR name a directory that has some."
        ) from error


def check_aligned(*sides: tuple[str | os.PathLike[str], Sequence[str]]) -> None:
    """Raises `DataError` unless all files, each given with its sentences, have as many lines as the first."""
    (first_path, first), *others = sides
    for path, sentences in others:
        if len(sentences) != len(first):
            longer = path if len(sentences) > len(first) else first_path
            raise DataError(
                f"{longer}:{1 + min(len(first), len(sentences))}: has no partner: {first_path} has {len(first):,} "
                f"lines and {path} {len(sentences):,}; line n of one must translate line n of the other."
            )


def fingerprints(sentences: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64 bits of a hash of each sentence: two of ten million different ones agree once in 370,000 corpora."""
    hashes = (hashlib.blake2b(sentence.encode(), digest_size=8).digest() for sentence in sentences)
    return np.fromiter((int.from_bytes(digest, "little") for digest in hashes), np.uint64, len(sentences))


def first_occurrences(*columns: npt.NDArray[Any]) -> Rows:
    """The rows that equal no earlier row in all of the columns, in their order.

    Args:
        columns: Arrays of shape `(rows,)`.

    Example:
        >>> import numpy as np
        >>> first_occurrences(np.array([7, 5, 7, 7]), np.array([1, 1, 1, 2])).tolist()
        [0, 1, 3]
    """
    order = np.lexsort(columns)  # stable: of equal rows the first stays the first
    is_new = np.ones(len(order), bool)
    if len(order):
        is_new[1:] = np.any([column[order[1:]] != column[order[:-1]] for column in columns], axis=0)
    return np.sort(order[is_new])


def is_blank(sentences: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of the sentences have no text, as a mask."""
    return np.fromiter((not sentence for sentence in sentences), bool, len(sentences))


def _is_plain(name: str) -> bool:
    """Whether a file can be mapped as it is."""
    if not Path(name).is_file():
        return False
    with open(name, "rb") as file:
        return not (name.endswith(".gz") or file.read(2) == _GZIP_MAGIC)


def _mapped(path: str | os.PathLike[str]) -> mmap.mmap:
    """The bytes of a file, read as they are asked for."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _checked(name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, which have to be UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    for chunk in chunks:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            # The decoder's bytes may begin with the end of the chunk before, which holds no line feed.
            raise _not_utf8(name, line + error.object.count(b"\n", 0, error.start)) from error
        line += chunk.count(b"\n")
        yield chunk
    if decoder.getstate()[0]:
        raise _not_utf8(name, line)


def _not_utf8(name: str, line: int) -> DataError:
    """The error for a line that cannot be decoded."""
    return DataError(f"{name}:{line}: is not UTF-8 text; convert the file to UTF-8.")


def _copied(file: Any, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, each written to a file on its way."""
    for chunk in chunks:
        file.write(chunk)
        yield chunk


def _find_lines(chunks: Iterator[bytes]) -> tuple[Rows, Rows]:
    """Where the lines begin and end in the text that the chunks make up."""
    places, size = [np.empty(0, np.int64)], 0
    for chunk in chunks:
        places.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == _LINE_FEED) + size)
        size += len(chunk)
    stops = np.concatenate(places)
    if not len(stops) or stops[-1] != size - 1:  # the last line may lack its line feed
        stops = np.append(stops, size)
    return np.concatenate([[0], stops[:-1] + 1]), stops
