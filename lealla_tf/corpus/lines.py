"""Text files, plain or gzipped, as blocks of decoded lines in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lealla_tf.errors import DataError

MAX_LINE = 1 << 20
"""Longest line in bytes; a longer one is skipped without being held in memory."""

_CHUNK = 1 << 18  # at most MAX_LINE
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class LineBlock:
    r"""Some consecutive lines of a file, without their `\n`.

    `first` is the number of the first line, counted from 1.  A line that cannot be used
    is empty in `lines`, and `malformed` gives the reason by its index.
    """

    first: int
    lines: list[str]
    malformed: dict[int, str] = field(default_factory=dict)


def read_chunks(path: str) -> Iterator[bytes]:
    """The bytes of a file in pieces of at most 256 KiB, unzipped if it is gzipped.

    Raises:
        DataError: if the file is missing, a directory, empty, or damaged; in the last case
            it names the line that was reached.
    """
    lines = 0
    try:
        if Path(path).is_dir():
            raise DataError(f"{path}: is a directory; name a file.")
        with open(path, "rb") as raw:
            zipped = raw.peek(2).startswith(_GZIP_MAGIC)  # peek, because a pipe cannot seek back
            if path.endswith(".gz") and not zipped and raw.peek(1):
                raise DataError(f"{path}: is not gzip data; compress it, or name it without .gz.")
            file: io.BufferedReader | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if zipped else raw
            chunk = file.read1(_CHUNK)  # read1, because read loses what precedes the damage
            if not chunk:
                raise DataError(f"{path}: is empty; name a file with text.")
            while chunk:
                yield chunk
                lines += chunk.count(b"\n")
                chunk = file.read1(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}:{lines + 1}: the gzip data is cut short or damaged here ({error}); fetch or write it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); name a readable file.") from error


def read_line_blocks(path: str) -> Iterator[LineBlock]:
    r"""The lines of a UTF-8 file, in blocks of about 256 KiB.

    Only `\n` ends a line; a byte order mark at the start is dropped.  The reasons why a
    line is malformed are `not_utf8`, `nul_byte` and `line_too_long`.

    Raises:
        DataError: as `read_chunks` does, and for UTF-16.
    """
    first = 1
    pending = b""
    too_long = False
    for number, chunk in enumerate(read_chunks(path)):
        if number == 0 and chunk.startswith(_UTF16_BOMS):
            raise DataError(f"{path}: is UTF-16; write it as UTF-8, for example with iconv.")
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            block = _decode(first, pending + head, too_long)
            yield block
            first += len(block.lines)
            pending, too_long = tail, False
        else:
            pending += tail
        if len(pending) > MAX_LINE:  # what is certain to be skipped need not be kept
            pending, too_long = b"", True
    if pending or too_long:
        yield _decode(first, pending, too_long)


def _decode(first: int, data: bytes, too_long: bool) -> LineBlock:
    """`data` as decoded lines; `too_long` says that its first line was cut off before."""
    if first == 1:
        data = data.removeprefix(_BOM)
    # Only the first line can be too long: all others lie within one chunk.
    too_long = too_long or (len(data) > MAX_LINE and len(data.split(b"\n", 1)[0]) > MAX_LINE)
    if not too_long and b"\0" not in data:
        try:  # one call for the whole block: this is nearly always the way taken
            return LineBlock(first, data.decode("utf-8").split("\n"))
        except UnicodeDecodeError:
            pass
    block = LineBlock(first, [])
    for index, line in enumerate(data.split(b"\n")):
        text = ""
        if too_long and index == 0:
            block.malformed[index] = "line_too_long"
        elif b"\0" in line:
            block.malformed[index] = "nul_byte"
        else:
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                block.malformed[index] = "not_utf8"
        block.lines.append(text)
    return block
