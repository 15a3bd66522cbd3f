"""The vocabulary of a BERT-style tokenizer: pieces, in the order of their ids."""

import codecs
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lealla_tf.errors import DataError
from lealla_tf.files import atomic_file

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_PIECES = (PAD, UNKNOWN, START, END, MASK)

# What the trie of tensorflow_text's WordPiece holds at most, without the leading "##".
MAX_PIECE_BYTES = 256


@dataclass(frozen=True)
class Vocabulary:
    """Pieces in the order of their ids; the ids of the special pieces are read from it.

    A piece that starts with `##` continues a word.  LaBSE has `[PAD]` at 0, `[UNK]` at
    100, `[CLS]` at 101, `[SEP]` at 102 and `[MASK]` at 103; other vocabularies have them
    elsewhere, so nothing may rely on those numbers.

    Args:
        pieces: the pieces; piece i has id i.

    Raises:
        ValueError: if a piece is empty, repeated, longer than 256 bytes or holds a line
            break, or if one of `SPECIAL_PIECES` is missing.

    Example:
        >>> vocabulary = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing"])
        >>> len(vocabulary), vocabulary.start_id, vocabulary.pieces[6]
        (7, 2, '##ing')
    """

    pieces: tuple[str, ...]

    def __init__(self, pieces: Sequence[str]) -> None:
        object.__setattr__(self, "pieces", tuple(pieces))
        fault = _find_fault(self.pieces)
        if fault:
            index, what = fault
            received = f"piece {index} is {self.pieces[index]!r:.80}" if index is not None else f"{len(pieces)} pieces"
            raise ValueError(f"`pieces` cannot be a vocabulary: {what} Received: {received}.")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "Vocabulary":
        """Reads a vocabulary file: UTF-8, one piece a line, line i (from 0) has id i.

        Raises:
            DataError: if the file cannot be read or is not a vocabulary; names the line.
        """
        pieces = _read_lines(Path(path))
        try:
            return cls(pieces)
        except ValueError as error:
            fault = _find_fault(pieces)
            if fault is None:
                raise
            index, what = fault
            place = f"{path}:{index + 1}" if index is not None else f"{path}"
            raise DataError(
                f"{place}: {what} Name a BERT vocabulary file (one piece a line), or learn one anew."
            ) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file that `from_file` reads; equal vocabularies give equal bytes."""
        with atomic_file(path) as temporary:
            temporary.write_bytes(self._file_form())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file that `save` writes, in hexadecimal digits."""
        return hashlib.sha256(self._file_form()).hexdigest()

    @cached_property
    def pad_id(self) -> int:
        """Id of `[PAD]`, which fills a row up."""
        return self.pieces.index(PAD)

    @cached_property
    def unknown_id(self) -> int:
        """Id of `[UNK]`, which stands for a word that the pieces cannot spell."""
        return self.pieces.index(UNKNOWN)

    @cached_property
    def start_id(self) -> int:
        """Id of `[CLS]`, the first token of every row."""
        return self.pieces.index(START)

    @cached_property
    def end_id(self) -> int:
        """Id of `[SEP]`, which ends every segment."""
        return self.pieces.index(END)

    @cached_property
    def mask_id(self) -> int:
        """Id of `[MASK]`, which hides a token from a masked language model."""
        return self.pieces.index(MASK)

    def __len__(self) -> int:
        return len(self.pieces)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} pieces, {self.fingerprint[:12]})"

    def _file_form(self) -> bytes:
        return "".join(f"{piece}\n" for piece in self.pieces).encode()


def _read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, split at LF alone: U+2028 or U+0085 may be a piece."""
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read as a vocabulary ({error.strerror}). Name a vocabulary file."
        ) from error
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: is not UTF-8 text. Save the vocabulary as UTF-8.") from error
    if not text:
        raise DataError(f"{path}: is empty. Name a BERT vocabulary file (one piece a line), or learn one anew.")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def _find_fault(pieces: Sequence[str]) -> tuple[int | None, str] | None:
    """The first reason why `pieces` is no vocabulary, and the index it is at (None: no one place)."""
    if _is_sound(pieces):
        return None
    first: dict[str, int] = {}
    for index, piece in enumerate(pieces):
        what = _find_fault_of_piece(piece)
        if not what and piece in first:
            what = f"the piece {piece!r} stands on line {first[piece] + 1} already."
        if what:
            return index, what
        first[piece] = index
    missing = ", ".join(piece for piece in SPECIAL_PIECES if piece not in first)
    return (None, f"the vocabulary lacks {missing}.") if missing else None


def _is_sound(pieces: Sequence[str]) -> bool:
    """Whether there is certainly no fault, found in a quarter of the time that a loop takes over 501,153 pieces."""
    different = set(pieces)
    text = "\n".join(pieces)
    return (
        len(different) == len(pieces)
        and different.issuperset(SPECIAL_PIECES)
        and "" not in different
        and text.count("\n") == len(pieces) - 1
        and not text.endswith("\r")
        and "\r\n" not in text
        and 4 * max(map(len, pieces)) <= MAX_PIECE_BYTES
    )


def _find_fault_of_piece(piece: str) -> str:
    if not piece:
        return "the piece is empty."
    if piece.endswith("\r"):
        return "the line ends in CR LF; a vocabulary's lines end in LF alone."
    if "\n" in piece:
        return "the piece holds a line break."
    if len(piece) * 4 > MAX_PIECE_BYTES and len(piece.removeprefix("##").encode()) > MAX_PIECE_BYTES:
        return f"the piece is longer than {MAX_PIECE_BYTES} bytes."
    return ""
