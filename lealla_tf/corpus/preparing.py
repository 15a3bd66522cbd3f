"""A corpus with its teacher's targets, written as shards: once, resumably."""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lealla_tf.config import CorpusConfig
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.opening import read_filtered, split_held_out
from lealla_tf.corpus.segments import Array, Segment
from lealla_tf.corpus.shards import write_shard
from lealla_tf.corpus.specification import SHARDS_KIND, parse_corpus
from lealla_tf.errors import DataError
from lealla_tf.files import MANIFEST, check_output_directory, check_writable, read_json, write_json
from lealla_tf.progress import Progress, pace
from lealla_tf.settings import to_dict

# Seconds between two lines of progress.
_SHOW_EVERY = 5


Splits = Mapping[str, tuple[Segment, Segment]]
"""By language pair: the pairs to train on, and those held out."""


class Teacher(Protocol):
    """A model whose embeddings are stored beside the pairs."""

    dim: int
    fingerprint: str

    def embed(self, sentences: Sequence[str]) -> Array:
        """Unit-length embeddings, float32 `(count, dim)`."""


@dataclass(frozen=True)
class PreparedCorpus:
    """What `prepare_corpus` wrote: the manifest, and what the filters dropped."""

    manifest: dict[str, Any]
    reports: list[FileReport]


def prepare_corpus(
    config: CorpusConfig,
    output: str | Path,
    *,
    teacher: Teacher | None = None,
    teacher_name: str = "",
    validation_pairs: int = 200,
    shard_pairs: int = 4096,
    seed: int = 0,
    progress: Progress = lambda line: None,
) -> PreparedCorpus:
    """Reads, filters and shuffles a corpus, and writes it as shards of `shard_pairs` pairs.

    The pairs of each language are shuffled before they are cut into shards.  Started again
    after being killed, with the same arguments, it keeps the shards that are there: a shard
    gets its name when all of it is on the disk.

    Args:
        config: Files and filters.
        output: The directory to write; it may hold an unfinished corpus of the same making.
        teacher: Embeds both sides of every pair to train on; stored as float16.
        teacher_name: What to call it in the manifest.
        validation_pairs: How many pairs of each language pair to hold out; never more than
            a tenth of them.
        shard_pairs: Pairs in a shard. A shard of each language is held in memory in training.
        seed: Of the shuffling.
        progress: Called with lines to show.

    Raises:
        ValueError: if one of the numbers is too small.
        DataError: as `read_filtered`, if `output` holds something else or cannot be written,
            and if the teacher gives embeddings that are not finite.
    """
    for name, value, smallest in (
        ("validation_pairs", validation_pairs, 0),
        ("shard_pairs", shard_pairs, 1),
        ("seed", seed, 0),
    ):
        if value < smallest:
            raise ValueError(f"`{name}` must be at least {smallest}. Received: {name}={value}.")
    output = Path(output)
    files = parse_corpus(config.files)
    if not files:
        raise DataError("No corpus is given; name one with --corpus.")
    check_place(output)
    pairs, reports = read_filtered(files, config, progress)
    segments = {name: Segment.of_pairs(rows) for name, rows in sorted(pairs.items())}
    splits = {name: split_held_out(segment, validation_pairs) for name, segment in segments.items()}
    making = {
        "text": _checksum([(name, segment.fingerprint()) for name, segment in segments.items()]),
        "filter": to_dict(config.filter),
        "validation_pairs": validation_pairs,
        "shard_pairs": shard_pairs,
        "seed": seed,
        "teacher": {"model": teacher_name, "fingerprint": teacher.fingerprint, "dim": teacher.dim} if teacher else None,
    }
    manifest = _manifest(making, splits, reports)
    _claim(output, manifest)
    _write_shards(output, manifest, splits, teacher, progress)
    manifest["complete"] = True
    write_json(output / MANIFEST, manifest)
    return PreparedCorpus(manifest, reports)


def check_place(output: str | Path) -> None:
    """Raises `DataError` if `output` holds what is not a prepared corpus, or cannot be written.

    What was being written when a process was killed is removed from it.
    """
    output = Path(output)
    if output.is_dir():
        for pattern in (f".{MANIFEST}.*", ".*.tfrecord"):
            for leftover in output.glob(pattern):
                leftover.unlink()
    check_output_directory(output)
    if (output / MANIFEST).is_file() and read_json(output / MANIFEST).get("kind") != SHARDS_KIND:
        raise DataError(f"{output}: holds something else than a prepared corpus; name another --output.")
    check_writable(output / MANIFEST)


def _manifest(making: Mapping[str, Any], splits: Splits, reports: Sequence[FileReport]) -> dict[str, Any]:
    """The manifest of a corpus that is still to be written, with the names and sizes of all its files."""
    return {
        "kind": SHARDS_KIND,
        "complete": False,
        "fingerprint": _checksum(_identity(making)),
        **making,
        "files": [
            {"name": r.name, "language_pair": r.language_pair, "kept": r.kept, "dropped": dict(r.dropped)}
            for r in reports
        ],
        "language_pairs": {name: _entry(name, *split, making["shard_pairs"]) for name, split in splits.items()},
    }


def _identity(making: Mapping[str, Any]) -> dict[str, Any]:
    """What two manifests of one corpus have in common; a model may be reached by several names."""
    teacher = making.get("teacher") or {}
    names = ("text", "filter", "validation_pairs", "shard_pairs", "seed")
    return {**{name: making.get(name) for name in names}, "teacher": [teacher.get("fingerprint"), teacher.get("dim")]}


def _checksum(value: Any) -> str:
    """The CRC of a value's representation."""
    return f"{zlib.crc32(repr(value).encode()):08x}"


def _entry(name: str, train: Segment, held_out: Segment, shard_pairs: int) -> dict[str, Any]:
    """A language pair's entry in the manifest: its files, and how many pairs each is to hold."""
    sizes = [min(shard_pairs, len(train) - start) for start in range(0, len(train), shard_pairs)]
    validation = {"file": f"{name}-validation.tfrecord", "pairs": len(held_out)}
    return {
        "pairs": len(train),
        "shards": [{"file": f"{name}-{number:05d}.tfrecord", "pairs": size} for number, size in enumerate(sizes)],
        "validation": validation if len(held_out) else None,
    }


def _claim(output: Path, manifest: dict[str, Any]) -> None:
    """Makes `output` the place of this corpus, or checks that it is already."""
    path = output / MANIFEST
    if not path.is_file():
        output.mkdir(parents=True, exist_ok=True)
        write_json(path, manifest)
        return
    found = read_json(path)
    wanted, there = _identity(manifest), _identity(found)
    if differing := [name for name in wanted if wanted[name] != there[name]]:
        raise DataError(
            f"{output}: holds a corpus that was prepared otherwise (differing: {', '.join(differing)}); "
            "name another --output, or remove it."
        )


def _write_shards(
    output: Path, manifest: dict[str, Any], splits: Splits, teacher: Teacher | None, progress: Progress
) -> None:
    """Writes those files of the manifest that are missing."""
    clock = _Clock(sum(len(part) for split in splits.values() for part in split), progress)
    size = manifest["shard_pairs"]
    for name, (train, held_out) in splits.items():
        entry = manifest["language_pairs"][name]
        order = np.random.default_rng([manifest["seed"], zlib.crc32(name.encode())]).permutation(len(train))
        shuffled = train.take(order)
        for number, shard in enumerate(entry["shards"]):
            part = shuffled.take(slice(number * size, (number + 1) * size))
            clock.advance(len(part), _write_missing(output / shard["file"], part, teacher))
        if entry["validation"]:
            clock.advance(len(held_out), _write_missing(output / entry["validation"]["file"], held_out, None))
    clock.show()


def _write_missing(path: Path, segment: Segment, teacher: Teacher | None) -> bool:
    """Writes a shard, with the embeddings of both sides if there is a teacher; tells whether it was missing."""
    if path.is_file():
        return False
    if teacher is not None:
        targets = [teacher.embed(texts).astype(np.float16) for texts in segment.texts()]
        if not all(np.isfinite(rows).all() for rows in targets):
            raise DataError(f"{path}: not written, for the teacher's embeddings are not finite; name another teacher.")
        segment = Segment(segment.source, segment.target, *targets)
    write_shard(path, segment)
    return True


class _Clock:
    """Tells how far the work is, at what rate, and how long it will take."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._done = self._written = 0
        self._started = self._shown = time.monotonic()

    def advance(self, pairs: int, written: bool) -> None:
        """Counts pairs; those that were there already do not count for the rate."""
        self._done += pairs
        self._written += pairs if written else 0
        if time.monotonic() - self._shown >= _SHOW_EVERY and self._done < self._total:
            self.show()

    def show(self) -> None:
        """Shows how far the work is."""
        self._shown = time.monotonic()
        line = f"{self._done:,} of {self._total:,} pairs"
        if self._written:
            line += f", {pace(self._written, self._total - self._done, self._shown - self._started)}"
        self._progress(line)
