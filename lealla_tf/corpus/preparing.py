"""A corpus with its teacher's targets, written as shards: once, resumably."""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lealla_tf.config import CorpusConfig, to_dict
from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.opening import Progress, read_filtered, split_held_out
from lealla_tf.corpus.segments import Array, Segment
from lealla_tf.corpus.shards import write_shard
from lealla_tf.corpus.specification import SHARDS_KIND, parse_corpus
from lealla_tf.errors import DataError
from lealla_tf.files import MANIFEST, check_output_directory, read_json, write_json


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
    after being killed, with the same arguments, it keeps the shards that are complete.

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
        DataError: as `read_filtered`, and if `output` holds something else.
    """
    output = Path(output)
    files = parse_corpus(config.files)
    if not files:
        raise DataError("No corpus is given; name one with --corpus.")
    pairs, reports = read_filtered(files, config, progress)
    if empty := [name for name, rows in pairs.items() if not rows]:
        raise DataError(f"Nothing of {', '.join(empty)} is left after filtering; loosen the filters.")
    segments = {name: Segment.of_pairs(rows) for name, rows in sorted(pairs.items())}
    manifest = {
        "kind": SHARDS_KIND,
        "complete": False,
        "filter": to_dict(config.filter),
        "seed": seed,
        "shard_pairs": shard_pairs,
        "validation_pairs": validation_pairs,
        "teacher": {"model": teacher_name, "fingerprint": teacher.fingerprint, "dim": teacher.dim} if teacher else None,
        "files": [{"name": r.name, "language_pair": r.language_pair, "kept": r.kept, "dropped": dict(r.dropped)} for r in reports],
        "fingerprint": f"{zlib.crc32(repr([(n, s.fingerprint()) for n, s in segments.items()]).encode()):08x}",
        "language_pairs": {},
    }
    _claim(output, manifest)
    clock = _Clock(sum(map(len, segments.values())), progress)
    for name, segment in segments.items():
        train, held_out = split_held_out(segment, validation_pairs)
        order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(train))
        manifest["language_pairs"][name] = _write_language(
            output, name, train.take(order), held_out, shard_pairs, teacher, clock
        )
    write_json(output / MANIFEST, {**manifest, "complete": True})
    return PreparedCorpus({**manifest, "complete": True}, reports)


def _write_language(
    output: Path,
    name: str,
    train: Segment,
    held_out: Segment,
    shard_pairs: int,
    teacher: Teacher | None,
    clock: "_Clock",
) -> dict[str, Any]:
    """Writes the shards of one language pair that are missing; gives its entry in the manifest."""
    shards = []
    for number, start in enumerate(range(0, len(train), shard_pairs)):
        part = train.take(slice(start, start + shard_pairs))
        file = f"{name}-{number:05d}.tfrecord"
        fresh = not (output / file).is_file()
        if fresh:
            write_shard(output / file, part if teacher is None else _with_targets(part, teacher))
        shards.append({"file": file, "pairs": len(part)})
        clock.advance(len(part), fresh)
    validation = None
    if len(held_out):
        validation = {"file": f"{name}-validation.tfrecord", "pairs": len(held_out)}
        write_shard(output / str(validation["file"]), held_out)
    clock.advance(len(held_out), fresh=False)
    return {"pairs": len(train), "shards": shards, "validation": validation}


def _with_targets(segment: Segment, teacher: Teacher) -> Segment:
    """The segment with the teacher's embeddings of both sides."""
    source, target = (teacher.embed(texts).astype(np.float16) for texts in segment.texts())
    return Segment(segment.source, segment.target, source, target)


def _claim(output: Path, manifest: dict[str, Any]) -> None:
    """Makes `output` the place of this corpus, or checks that it is already."""
    check_output_directory(output)
    path = output / MANIFEST
    if path.is_file():
        found = read_json(path)
        if not isinstance(found, dict) or found.get("kind") != SHARDS_KIND:
            raise DataError(f"{output}: holds something else than a prepared corpus; name another --output.")
        names = [name for name in manifest if name not in ("complete", "language_pairs")]
        if differing := [name for name in names if found.get(name) != manifest[name]]:
            raise DataError(
                f"{output}: holds a corpus that was prepared otherwise (differing: {', '.join(differing)}); "
                "name another --output, or remove it."
            )
        for leftover in output.glob(".*.tfrecord"):
            leftover.unlink()
        return
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, manifest)


class _Clock:
    """Tells how far the work is, at what rate, and how long it will take."""

    def __init__(self, total: int, progress: Callable[[str], None]) -> None:
        self._total, self._progress = total, progress
        self._done = self._fresh = 0
        self._started = self._shown = time.monotonic()

    def advance(self, pairs: int, fresh: bool) -> None:
        """Counts pairs; those of shards that were there already do not count for the rate."""
        self._done += pairs
        self._fresh += pairs if fresh else 0
        now = time.monotonic()
        if now - self._shown < 5 and self._done < self._total:
            return
        self._shown = now
        rate = self._fresh / max(now - self._started, 1e-9)
        left = f", {(self._total - self._done) / rate:,.0f} s left" if rate and self._done < self._total else ""
        self._progress(f"{self._done:,} of {self._total:,} pairs, {rate:,.0f} pairs/s{left}")


