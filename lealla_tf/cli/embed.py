"""`lealla embed`: the vectors of the lines of a file."""

import argparse
import hashlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from lealla_tf.cli.arguments import add_model_arguments, import_tensorflow, log
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import check_writable

HELP = "embed the lines of a file, or of standard input; the same command goes on with a file that was begun"

# Lines in memory at a time, and at most embedded in vain when the command is killed.
_CHUNK = 16_384


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lealla embed`."""
    add_model_arguments(parser)
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16 is faster, and hardly less exact, on CPUs that have it (default: %(default)s)",
    )
    parser.add_argument(
        "--input", default="-", metavar="FILE", help="one sentence a line, UTF-8 (default: standard input)"
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="NAME.npy: float32 (lines, dim); NAME.tsv or standard output (the default): a line of numbers a sentence",
    )


def run(arguments: argparse.Namespace) -> None:
    """Embeds the input, chunk by chunk."""
    import_tensorflow()
    from lealla_tf.inference.loading import load_sentence_encoder
    from lealla_tf.inference.writing import open_writer

    suffix = Path(arguments.output).suffix
    if arguments.output != "-" and suffix not in (".npy", ".tsv"):
        raise UsageError(f"--output must end in .npy or .tsv. Received: {arguments.output}.")
    if Path(arguments.output).is_dir():
        raise UsageError(f"--output must name a file. Received: {arguments.output}, which is a directory.")
    if arguments.output != "-":
        check_writable(arguments.output)
    name = "/dev/stdin" if arguments.input == "-" else arguments.input
    chunks = _chunks(_read_lines(name))
    # Before the model is loaded, which takes a while. There is one: an empty file is an error.
    first = next(chunks)
    encoder = load_sentence_encoder(arguments.model, arguments.preprocessor, arguments.dtype)
    with open_writer(arguments.output, encoder.dim, encoder.fingerprint) as write:
        begun = write.rows
        if begun:
            log(f"going on with {arguments.output}.partial, which holds {begun:,} sentences")
        clock = _Clock()
        for chunk, digest in _not_yet_written(itertools.chain([first], chunks), begun, write.state, name):
            write(encoder.embed(chunk, progress=clock.show), digest)
            clock.add(len(chunk))
    clock.finish()


def _not_yet_written(chunks: Iterator[list[str]], rows: int, state: str, name: str) -> Iterator[tuple[list[str], str]]:
    """The chunks after the first `rows` lines, each with a digest of all lines up to its end.

    Raises:
        DataError: if those lines have another digest than `state`.
    """
    changed = DataError(
        f"{name}: its first {rows:,} lines are not those that were embedded before; "
        "restore them, or remove the .partial file beside --output, to begin anew."
    )
    digest, done = "", 0
    for chunk in chunks:
        digest = hashlib.sha256("\n".join([digest, *chunk]).encode()).hexdigest()
        before, done = done, done + len(chunk)
        if before >= rows:
            yield chunk, digest
        elif done >= rows and (done, digest) != (rows, state):
            raise changed
    if done < rows:
        raise changed


class _Clock:
    """Shows the number of sentences and the rate every few seconds."""

    def __init__(self) -> None:
        self._done = 0
        self._started = self._shown = time.monotonic()

    def show(self, of_chunk: int) -> None:
        """`of_chunk` sentences of the chunk at work are done."""
        now = time.monotonic()
        if now - self._shown > 5:
            self._shown = now
            done = self._done + of_chunk
            log(f"{done:,} sentences, {done / (now - self._started):,.0f} sentences/s")

    def add(self, chunk: int) -> None:
        """A chunk is done."""
        self._done += chunk

    def finish(self) -> None:
        """All is done."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        log(f"{self._done:,} sentences in {seconds:.1f} s, {self._done / seconds:,.0f} sentences/s")


def _read_lines(name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzipped; empty ones too, so that row n is that of line n."""
    from lealla_tf.corpus.lines import read_line_blocks

    for block in read_line_blocks(name):
        if block.malformed:
            index = min(block.malformed)
            reason = block.malformed[index].replace("_", " ")
            raise DataError(f"{name}:{block.first + index}: cannot be embedded ({reason}); mend or remove the line.")
        yield from (line.removesuffix("\r") for line in block.lines)


def _chunks(lines: Iterator[str]) -> Iterator[list[str]]:
    """Lists of as many lines as are held in memory at a time."""
    while chunk := list(itertools.islice(lines, _CHUNK)):
        yield chunk
