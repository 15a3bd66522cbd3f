"""Sentence pairs from files of every format, in blocks or one by one."""

from collections.abc import Iterator
from itertools import islice

from lealla_tf.corpus.filtering import FileReport, Malformed, Pair
from lealla_tf.corpus.lines import MAX_LINE, LineBlock, read_line_blocks
from lealla_tf.corpus.specification import CorpusFile
from lealla_tf.corpus.tmx import read_tmx
from lealla_tf.corpus.translation_datasets import read_translation_dataset
from lealla_tf.errors import DataError

_REMEDIES = {
    "no_tab": "the line has no tab; write source<TAB>target",
    "extra_tabs": "the line has more than one tab; write source<TAB>target",
    "not_utf8": "the line is not UTF-8; convert the file to UTF-8",
    "nul_byte": "the line holds a NUL byte; remove it",
    "line_too_long": f"the line is longer than {MAX_LINE:,} bytes; split or remove it",
    "missing_language": "the unit lacks one of the two languages; add it or remove the unit",
    "unknown_entity": "the unit uses an entity that XML does not define; write the character itself",
}


def read_pairs(file: CorpusFile, on_error: str, report: FileReport) -> Iterator[Pair]:
    """Yields (source, target) from a file of any format; see `read_blocks`."""
    for block in read_blocks(file, on_error, report):
        yield from block


def read_blocks(file: CorpusFile, on_error: str, report: FileReport) -> Iterator[list[Pair]]:
    """Yields the pairs of a file in lists of up to a few thousand: the fast way.

    Sentences are stripped of white space at both ends and otherwise left as they stand; a
    side may be empty.  Files are read as a stream.

    Args:
        file: what to read.
        on_error: `skip` counts malformed lines or units in `report` and goes on; `stop`
            raises `DataError` at the first.
        report: the file's counts, which are added to.

    Yields:
        Lists of (source, target), in the order of the file.

    Raises:
        ValueError: for another `on_error`.
        DataError: for a file that is missing, empty, damaged or of another format, and
            with `stop` for the first malformed line or unit, as `path:line`.
    """
    malformed = malformed_handler(on_error, report)
    if file.format == "tsv":
        return _read_tsv(file.path, malformed)
    if file.format == "moses":
        return _read_moses(file, malformed)
    if file.format == "tmx":
        return read_tmx(file.path, file.language_pair, malformed)
    if file.format == "tfds":
        return read_translation_dataset(file.path, file.language_pair, malformed)
    return _read_shards(file)


def malformed_handler(on_error: str, report: FileReport) -> Malformed:
    """What counts a malformed line in `report`, or raises, as `read_blocks` says."""
    if on_error not in ("skip", "stop"):
        raise ValueError(f"`on_error` must be skip or stop. Received: on_error={on_error!r}.")

    def malformed(reason: str, place: str) -> None:
        if on_error == "stop":
            raise DataError(f"{place}: {_REMEDIES[reason]}, or skip such ones with --on-error=skip.")
        report.drop_malformed(reason, place)

    return malformed


def _read_tsv(path: str, malformed: Malformed) -> Iterator[list[Pair]]:
    """The pairs of a file of source<TAB>target lines."""
    for block in read_line_blocks(path):
        pairs: list[Pair] = []
        add = pairs.append
        for index, line in enumerate(block.lines):
            source, tab, target = line.partition("\t")
            if tab and "\t" not in target:
                add((source.strip(), target.strip()))
            else:
                reason = block.malformed.get(index) or ("extra_tabs" if tab else "no_tab")
                malformed(reason, f"{path}:{block.first + index}")
        yield pairs


def _read_moses(file: CorpusFile, malformed: Malformed) -> Iterator[list[Pair]]:
    """The pairs of two files of aligned lines."""
    sides = _Side(file.path), _Side(file.target_path)
    while count := min([side.available() for side in sides]):
        sources, targets = (side.take(count) for side in sides)
        pairs = [(s.strip(), t.strip()) for s, t in zip(sources.lines, targets.lines, strict=True)]
        skipped = sorted(sources.malformed.keys() | targets.malformed.keys())
        for index in skipped:
            block, path = (sources, file.path) if index in sources.malformed else (targets, file.target_path)
            malformed(block.malformed[index], f"{path}:{block.first + index}")
        yield [pair for index, pair in enumerate(pairs) if index not in skipped] if skipped else pairs
    source_count, target_count = (side.count() for side in sides)
    if source_count != target_count:
        raise DataError(
            f"{file.path} has {source_count:,} lines and {file.target_path} has {target_count:,}; "
            "line n of one must translate line n of the other: get files that belong together."
        )


def _read_shards(file: CorpusFile) -> Iterator[list[Pair]]:
    """The pairs of one language pair of a directory of shards."""
    from lealla_tf.corpus.shards import read_shard_pairs  # TensorFlow is imported with it

    pairs = iter(read_shard_pairs(file.path, file.language_pair))
    while block := list(islice(pairs, 4096)):
        yield block


class _Side:
    """The lines of one of two aligned files, to be taken in any number."""

    def __init__(self, path: str) -> None:
        self._blocks = read_line_blocks(path)
        self._block = LineBlock(1, [])

    def available(self) -> int:
        """How many lines can be taken now; 0 at the end of the file."""
        if not self._block.lines:
            self._block = next(self._blocks, self._block)
        return len(self._block.lines)

    def take(self, count: int) -> LineBlock:
        """The next `count` lines, of those available."""
        block = self._block
        malformed = {index - count: reason for index, reason in block.malformed.items() if index >= count}
        self._block = LineBlock(block.first + count, block.lines[count:], malformed)
        return LineBlock(block.first, block.lines[:count], {i: r for i, r in block.malformed.items() if i < count})

    def count(self) -> int:
        """How many lines the file has; none can be taken afterwards."""
        taken = self._block.first - 1 + len(self._block.lines)
        return taken + sum(len(block.lines) for block in self._blocks)
