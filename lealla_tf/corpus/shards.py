"""Prepared corpora on disk: TFRecord shards of pairs with their teacher's targets."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.corpus.segments import Array, Segment
from lealla_tf.corpus.specification import SHARDS_KIND
from lealla_tf.errors import DataError, reason
from lealla_tf.files import MANIFEST, atomic_file, read_json

_TEACHER = ("source_teacher", "target_teacher")
_REMEDY = "remove it, and run the same `lealla prepare` command again to write it anew"
_MANIFEST_FIELDS = ("complete", "language_pairs")


def write_shard(path: str | os.PathLike[str], segment: Segment) -> None:
    """Writes a segment as one TFRecord file, atomically.

    Each record is a `tf.train.Example` of bytes: `source`, `target` (UTF-8) and, with a
    teacher, `source_teacher`, `target_teacher` (little-endian float16, 2 bytes a component).

    Raises:
        DataError: if it cannot be written, for want of space for example.
    """
    columns = segment.columns()
    try:
        with atomic_file(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            for row in range(len(segment)):
                feature = {name: _bytes_feature(column[row]) for name, column in columns.items()}
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                # Otherwise the order of the features, and with it the bytes of the file, change with the process.
                writer.write(example.SerializeToString(deterministic=True))
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"{path}: cannot be written ({reason(error)}); make room or mend its directory.") from error


def read_shard(path: str | os.PathLike[str], count: int, teacher_dim: int | None) -> Segment:
    """The segment of a file that `write_shard` wrote.

    Args:
        path: The file.
        count: The number of pairs that it must hold.
        teacher_dim: Width of the teacher's embeddings; `None` to leave them aside.

    Raises:
        DataError: if the file is missing, damaged, or not of `count` such records.
    """
    names = ("source", "target") if teacher_dim is None else ("source", "target", *_TEACHER)
    features = {name: tf.io.FixedLenFeature((), tf.string) for name in names}
    try:
        records = tf.data.TFRecordDataset(str(path)).batch(count + 1).take(1).get_single_element()
        columns = {name: column.numpy() for name, column in tf.io.parse_example(records, features).items()}
    except tf.errors.NotFoundError as error:
        raise DataError(f"{path}: is missing; run the same `lealla prepare` command again to write it.") from error
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise DataError(f"{path}: is damaged ({reason(error)}); {_REMEDY}.") from error
    except tf.errors.OpError as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); make it readable.") from error
    if (found := len(columns["source"])) != count:
        held = found if found < count else f"more than {count}"
        raise DataError(f"{path}: holds {held} pairs where the manifest says {count}; {_REMEDY}.")
    if teacher_dim is None:
        return Segment(columns["source"], columns["target"])
    targets = [_decode_teacher(path, columns[name], teacher_dim) for name in _TEACHER]
    return Segment(columns["source"], columns["target"], *targets)


class ShardSource:
    """The `PairSource` of one language pair of a prepared corpus.

    Args:
        directory: The corpus.
        entry: The language pair's entry in its manifest.
        teacher_dim: Width of the teacher's embeddings; `None` to leave them aside.
    """

    def __init__(self, directory: Path, entry: dict[str, Any], teacher_dim: int | None) -> None:
        self._files = [directory / shard["file"] for shard in entry["shards"]]
        self._teacher_dim = teacher_dim
        self.sizes: Sequence[int] = [shard["pairs"] for shard in entry["shards"]]

    def load(self, number: int) -> Segment:
        """The pairs of one shard."""
        return read_shard(self._files[number], self.sizes[number], self._teacher_dim)


def read_manifest(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a prepared corpus.

    Raises:
        DataError: if there is none, or one of something else or of an unfinished corpus.
    """
    path = Path(directory) / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("kind") != SHARDS_KIND:
        raise DataError(
            f"{path}: is not the manifest of a prepared corpus; name a directory that `lealla prepare` wrote."
        )
    if missing := [name for name in _MANIFEST_FIELDS if name not in manifest]:
        raise DataError(f"{path}: lacks {', '.join(missing)}; prepare the corpus again.")
    if not manifest["complete"]:
        raise DataError(f"{directory}: is not complete; run the same `lealla prepare` command again to finish it.")
    return manifest


def read_shard_pairs(directory: str, language_pair: str) -> Iterator[tuple[str, str]]:
    """The pairs of one language pair of a prepared corpus, decoded, in the order of the shards.

    Raises:
        DataError: as `read_manifest` and `read_shard`, and if the language pair is not there.
    """
    entries = read_manifest(directory)["language_pairs"]
    if language_pair not in entries:
        raise DataError(f"{directory}: has no pairs of {language_pair}; it has {', '.join(entries)}.")
    source = ShardSource(Path(directory), entries[language_pair], None)
    for number in range(len(source.sizes)):
        yield from zip(*source.load(number).texts(), strict=True)


def _bytes_feature(value: bytes | Array) -> Any:
    """A text, or a row of float16, as a feature."""
    raw = value if isinstance(value, bytes) else value.astype("<f2").tobytes()
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[raw]))


def _decode_teacher(path: str | os.PathLike[str], column: Array, dim: int) -> Array:
    """float16 `(count, dim)` from the raw bytes of each row."""
    raw = b"".join(column)
    if len(raw) != 2 * dim * len(column):
        raise DataError(f"{path}: holds targets of another width than the manifest's {dim}; {_REMEDY}.")
    return np.frombuffer(raw, "<f2").reshape(len(column), dim)
