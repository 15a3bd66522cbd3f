"""A corpus ready for training: read, filtered, with some pairs held out."""

import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lealla_tf.config import CorpusConfig
from lealla_tf.corpus.filtering import FileReport, PairFilter, nothing_left
from lealla_tf.corpus.reading import read_blocks
from lealla_tf.corpus.segments import InMemory, PairSource, Segment
from lealla_tf.corpus.shards import ShardSource, read_manifest, read_shard
from lealla_tf.corpus.specification import CorpusFile, parse_corpus
from lealla_tf.errors import DataError
from lealla_tf.progress import Progress

# A held-out part larger than this would be felt in the training of a small language.
_LARGEST_HELD_OUT_SHARE = 0.1

# Seconds between two lines of progress.
_SHOW_EVERY = 5


@dataclass
class Corpus:
    """The pairs to train on and to validate on, by language pair.

    `teacher` is the manifest's entry of the teacher whose targets the pairs carry (`model`,
    `fingerprint`, `dim`), or `None`.  `fingerprint` changes with the text and its order.
    """

    sources: Mapping[str, PairSource]
    validation: Mapping[str, Segment]
    fingerprint: str
    reports: list[FileReport] = field(default_factory=list)
    teacher: dict[str, Any] | None = None

    @property
    def num_pairs(self) -> int:
        """The number of pairs to train on."""
        return sum(sum(source.sizes) for source in self.sources.values())


def open_corpus(
    config: CorpusConfig, validation_pairs: int, with_teacher: bool, progress: Progress = lambda line: None
) -> Corpus:
    """Opens prepared shards as they are; reads and filters anything else into memory.

    Args:
        config: The files and their filters.
        validation_pairs: How many pairs of each language pair to hold out; a prepared
            corpus has its own held-out pairs, of which so many are taken.
        with_teacher: Whether the shards' targets are wanted.
        progress: Called with a line every few seconds while files are read.

    Raises:
        DataError: for files that cannot be used, a mixture of shards and other files, or a
            corpus of which the filters leave nothing.
    """
    files = parse_corpus(config.files)
    if not files:
        raise DataError("No corpus is given; name one with --corpus.")
    directories = {file.path for file in files if file.format == "shards"}
    if not directories:
        pairs, reports = read_filtered(files, config, progress)
        return _hold_out(pairs, reports, validation_pairs)
    if len(directories) > 1 or any(file.format != "shards" for file in files):
        raise DataError("A prepared corpus cannot be mixed with other files; prepare all of them in one directory.")
    return _open_shards(directories.pop(), [file.language_pair for file in files], validation_pairs, with_teacher)


def read_filtered(
    files: Iterable[CorpusFile], config: CorpusConfig, progress: Progress = lambda line: None
) -> tuple[dict[str, list[tuple[str, str]]], list[FileReport]]:
    """The pairs of all files that pass the filters, by language pair, and a report per file.

    Raises:
        DataError: as `read_blocks`, and if nothing is left of a language pair.
    """
    pair_filter = PairFilter(config.filter)
    kept: dict[str, list[tuple[str, str]]] = {}
    reports = []
    shown = time.monotonic()
    for file in files:
        report = FileReport(file.name, file.language_pair)
        reports.append(report)
        pairs = kept.setdefault(file.language_pair, [])
        for block in read_blocks(file, config.on_error, report):
            pairs.extend(pair_filter.filter_block(block, file.language_pair, report))
            if time.monotonic() - shown >= _SHOW_EVERY:
                shown = time.monotonic()
                progress(f"reading {file.name}: {report.kept:,} pairs of {file.language_pair} kept so far")
    for language_pair, pairs in kept.items():
        if not pairs:
            raise DataError(nothing_left([report for report in reports if report.language_pair == language_pair]))
    return kept, reports


def split_held_out(segment: Segment, count: int) -> tuple[Segment, Segment]:
    """A segment without its held-out pairs, and those: about `count` with the smallest checksums.

    The choice depends on the pairs alone and not on their order, and equal pairs are on the
    same side; a few less than `count` are held out where checksums are equal, and never more
    than a tenth of the segment.
    """
    count = min(count, int(len(segment) * _LARGEST_HELD_OUT_SHARE))
    pairs = zip(segment.source, segment.target, strict=True)
    checksums = np.array([zlib.crc32(target, zlib.crc32(source)) for source, target in pairs])
    held_out = checksums < np.partition(checksums, count)[count]
    return segment.take(~held_out), segment.take(held_out)


def _hold_out(pairs: Mapping[str, list[tuple[str, str]]], reports: list[FileReport], count: int) -> Corpus:
    """The corpus of pairs in memory."""
    sources: dict[str, PairSource] = {}
    validation = {}
    checksum = 0
    for language_pair, rows in sorted(pairs.items()):
        segment, held_out = split_held_out(Segment.of_pairs(rows), count)
        checksum = zlib.crc32(f"{language_pair} {segment.fingerprint()}".encode(), checksum)
        sources[language_pair] = InMemory(segment)
        if len(held_out):
            validation[language_pair] = held_out
    return Corpus(sources, validation, f"{checksum:08x}", reports)


def _open_shards(directory: str, language_pairs: list[str], count: int, with_teacher: bool) -> Corpus:
    """The corpus of a directory of shards."""
    manifest = read_manifest(directory)
    teacher = manifest["teacher"] if with_teacher else None
    dim = teacher["dim"] if teacher else None
    sources: dict[str, PairSource] = {}
    validation = {}
    for language_pair in sorted(set(language_pairs)):
        entry = manifest["language_pairs"][language_pair]
        sources[language_pair] = ShardSource(Path(directory), entry, dim)
        held_out = entry["validation"]
        if held_out and count:
            segment = read_shard(Path(directory) / held_out["file"], held_out["pairs"], None)
            validation[language_pair] = segment.take(slice(0, count))
    names = zlib.crc32(",".join(sources).encode())
    return Corpus(sources, validation, f"{manifest['fingerprint']}-{names:08x}", teacher=teacher)
