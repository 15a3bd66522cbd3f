"""Scored sentence pairs to files: TSV, TMX, or two aligned files."""

import contextlib
import gzip
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape

import lealla_tf
from lealla_tf.corpus.specification import split_language_pair
from lealla_tf.errors import UsageError
from lealla_tf.files import atomic_file, check_writable

WritePair = Callable[[float, str, str], None]
"""Writes the score, the source sentence and the target sentence of a pair."""

FORMS = "NAME.tsv, NAME.tmx (each also .gz), 'NAME.{de,en}' or - for standard output"

_MOSES = re.compile(r"(?P<before>[^{}]*)\{(?P<source>[^{},]+),(?P<target>[^{},]+)\}(?P<after>[^{}]*)")

# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def check_pair_output(path: str, language_pair: str) -> None:
    """Raises `UsageError` or `DataError` unless pairs can be written there.

    Args:
        path: As in `open_pair_writer`.
        language_pair: As in `open_pair_writer`.
    """
    form = _form(path)
    if form == "tmx":
        try:
            split_language_pair(language_pair)
        except ValueError as error:
            raise UsageError(f"{path}: a TMX file names its languages. {error}") from error
    if form == "stdout":
        return
    for target in _moses_paths(path) if form == "moses" else [Path(path)]:
        if target.is_dir():
            raise UsageError(f"{target}: is a directory; name a file.")
        check_writable(target)


@contextlib.contextmanager
def open_pair_writer(path: str, language_pair: str = "") -> Iterator[WritePair]:
    """Yields a function that writes pairs; files take their place only when all are written.

    Args:
        path: `NAME.tsv` or `NAME.tsv.gz`: lines of `score<TAB>source<TAB>target`, a tab in a sentence
            becoming a space.  `NAME.tmx` or `NAME.tmx.gz`: a translation memory, each unit with its
            score as a property.  `NAME.{de,en}`: the aligned files `NAME.de` and `NAME.en`, and
            `NAME.scores` with a line each.  `-`: TSV on standard output.
        language_pair: Of a translation memory, source first, such as `de-en`.

    Raises:
        UsageError, DataError: as `check_pair_output`.
        OSError: if a file cannot be written; what stood there stays.
    """
    check_pair_output(path, language_pair)
    form = _form(path)
    with contextlib.ExitStack() as stack:
        if form == "moses":
            yield _aligned_writer(*(stack.enter_context(_open(target)) for target in _moses_paths(path)))
        elif form == "tmx":
            yield stack.enter_context(_tmx_writer(stack.enter_context(_open(Path(path))), language_pair))
        elif form == "tsv":
            yield _tsv_writer(stack.enter_context(_open(Path(path))))
        else:
            yield _tsv_writer(sys.stdout.buffer)


def _form(path: str) -> str:
    """What is to be written, from the name."""
    suffix = Path(path.removesuffix(".gz")).suffix
    if path == "-":
        return "stdout"
    if _MOSES.fullmatch(path):
        return "moses"
    if suffix in (".tsv", ".tmx"):
        return suffix[1:]
    raise UsageError(f"Pairs are written to {FORMS}. Received: {path!r}.")


def _moses_paths(path: str) -> list[Path]:
    """The files of the source, of the target and of the scores."""
    match = _MOSES.fullmatch(path)
    if match is None:
        raise ValueError(f"`path` must have the form of a pair of files, NAME.{{en,de}}. Received: {path!r}.")
    return [Path(match["before"] + part + match["after"]) for part in (match["source"], match["target"], "scores")]


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place at the end, gzipped if its name says so."""
    with atomic_file(path) as temporary, temporary.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        # Without name and time, so that the same pairs give the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as zipped:
            yield zipped  # type: ignore[misc]  # it is written like any other


def _tsv_writer(file: IO[bytes]) -> WritePair:
    """Writes lines of three fields."""

    def write(score: float, source: str, target: str) -> None:
        file.write("\t".join((f"{score:.6f}", source.replace("\t", " "), target.replace("\t", " "))).encode() + b"\n")

    return write


def _aligned_writer(source_file: IO[bytes], target_file: IO[bytes], score_file: IO[bytes]) -> WritePair:
    """Writes a line to each of three files."""

    def write(score: float, source: str, target: str) -> None:
        for file, line in ((source_file, source), (target_file, target), (score_file, f"{score:.6f}")):
            file.write(line.encode() + b"\n")

    return write


@contextlib.contextmanager
def _tmx_writer(file: IO[bytes], language_pair: str) -> Iterator[WritePair]:
    """Writes a translation memory, unit by unit."""
    languages = split_language_pair(language_pair)
    file.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
        f'  <header creationtool="lealla" creationtoolversion="{lealla_tf.__version__}" segtype="sentence" '
        f'o-tmf="plain text" adminlang="en" srclang="{languages[0]}" datatype="plaintext"/>\n  <body>\n'.encode()
    )

    def write(score: float, *sentences: str) -> None:
        variants = (
            f'<tuv xml:lang="{language}"><seg>{escape(_NOT_XML.sub("", sentence))}</seg></tuv>'
            for language, sentence in zip(languages, sentences, strict=True)
        )
        file.write(f'    <tu><prop type="score">{score:.6f}</prop>{"".join(variants)}</tu>\n'.encode())

    yield write
    file.write(b"  </body>\n</tmx>\n")
