import json

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.corpus.segments import Segment
from lealla_tf.corpus.shards import ShardSource, read_manifest, read_shard, read_shard_pairs, write_shard
from lealla_tf.errors import DataError

SOURCES = [b"One.", "\u0414\u0432\u0430.".encode(), b"", b"a\0"]
TARGETS = [b"Eins.", b"Zwei.", b"\0", b"x" * 10_000]
# Both zeros, the smallest and the largest, infinity, not-a-number with a payload.
BITS = np.array([[0x0000, 0x8000, 0x0001], [0x7BFF, 0x3C00, 0x83FF], [0x7C00, 0xFC00, 0x7E01], [1, 2, 3]], np.uint16)


def segment(teacher=True):
    targets = (BITS.view(np.float16), BITS[::-1].view(np.float16)) if teacher else ()
    return Segment.of_bytes(SOURCES, TARGETS, *targets)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "en-de-00000.tfrecord"
    write_shard(path, segment())
    return path


def write_manifest(directory, **changes):
    manifest = {
        "kind": "lealla-shards",
        "complete": True,
        "fingerprint": "0",
        "teacher": None,
        "language_pairs": {
            "en-de": {"pairs": 4, "shards": [{"file": "en-de-00000.tfrecord", "pairs": 4}], "validation": None}
        },
    }
    manifest.update(changes)
    manifest = {name: value for name, value in manifest.items() if value != "absent"}
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_shard_gives_back_what_was_written(shard):
    read = read_shard(shard, 4, 3)
    assert read.source.tolist() == SOURCES
    assert read.target.tolist() == TARGETS
    assert read.source_teacher.dtype == read.target_teacher.dtype == np.float16
    assert read.source_teacher.view(np.uint16).tolist() == BITS.tolist()
    assert read.target_teacher.view(np.uint16).tolist() == BITS[::-1].tolist()
    assert list(read_shard(shard, 4, None).columns()) == ["source", "target"]
    assert [path.name for path in shard.parent.iterdir()] == [shard.name]


def test_records_are_examples_of_bytes(shard):
    """The format, as another reader would find it."""
    (first, *_) = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    features = tf.train.Example.FromString(first).features.feature
    assert {name: feature.bytes_list.value[0] for name, feature in features.items()} == {
        "source": b"One.",
        "target": b"Eins.",
        "source_teacher": b"\x00\x00\x00\x80\x01\x00",
        "target_teacher": b"\x01\x00\x02\x00\x03\x00",
    }


def test_every_flipped_byte_is_found(shard):
    good = shard.read_bytes()
    for place in (0, 5, 9, 14, 40, 100, len(good) // 2, len(good) - 5, len(good) - 1):
        data = bytearray(good)
        data[place] ^= 0x10
        shard.write_bytes(data)
        with pytest.raises(
            DataError, match=r"en-de-00000.tfrecord: is damaged \(corrupted record at .*\); remove it, and"
        ):
            read_shard(shard, 4, 3)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda data: data[:-1], r"is damaged \(truncated record at .*; remove it, and run the same `lealla prepare`"),
        (lambda data: data[: len(data) // 2], r"is damaged \(truncated record"),
        (lambda data: b"", r"is damaged \(Dataset was empty\); remove it"),
        (
            lambda data: b"Not a record file at all.",
            r"is damaged \(corrupted record at 0 .*TFRecord file\?\)\); remove",
        ),
    ],
    ids=["last byte", "half", "empty", "text"],
)
def test_a_cut_file_is_found(shard, cut, message):
    shard.write_bytes(cut(shard.read_bytes()))
    with pytest.raises(DataError, match=f"{shard.name}: {message}") as caught:
        read_shard(shard, 4, 3)
    assert "{{" not in str(caught.value) and "[Op" not in str(caught.value)


def test_other_contents_than_expected_are_found(shard):
    for count, held in ((1, "more than 1"), (3, "more than 3"), (5, "4"), (100, "4")):
        with pytest.raises(
            DataError, match=f"{shard.name}: holds {held} pairs where the manifest says {count}; remove"
        ):
            read_shard(shard, count, 3)
    for dim in (2, 4):
        with pytest.raises(
            DataError, match=f"{shard.name}: holds targets of another width than the manifest's {dim}; r"
        ):
            read_shard(shard, 4, dim)
    write_shard(shard, segment(teacher=False))
    with pytest.raises(
        DataError, match=f"{shard.name}: is damaged .*source_teacher.* is required but could not be foun"
    ):
        read_shard(shard, 4, 3)


def test_a_file_that_is_none_is_found(shard, tmp_path):
    with pytest.raises(
        DataError, match=r"no.tfrecord: is missing; run the same `lealla prepare` command again to write"
    ):
        read_shard(tmp_path / "no.tfrecord", 4, 3)
    with pytest.raises(DataError, match=rf"^{tmp_path}: cannot be read \(.*Is a directory\); make it readable.$"):
        read_shard(tmp_path, 4, 3)


def test_a_shard_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"file/x.tfrecord: cannot be written \(.*\); make room or mend its directory."):
        write_shard(tmp_path / "file" / "x.tfrecord", segment())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_source_loads_its_shards_by_number(tmp_path):
    rows = segment()
    write_shard(tmp_path / "a", rows.take(slice(0, 3)))
    write_shard(tmp_path / "b", rows.take(slice(3, 4)))
    entry = {"shards": [{"file": "a", "pairs": 3}, {"file": "b", "pairs": 1}]}
    source = ShardSource(tmp_path, entry, 3)
    assert source.sizes == [3, 1]
    assert source.load(1).source.tolist() == SOURCES[3:]
    assert source.load(0).source_teacher.view(np.uint16).tolist() == BITS[:3].tolist()
    assert ShardSource(tmp_path, entry, None).load(0).source_teacher is None


def test_pairs_of_a_directory_are_decoded_in_order(shard):
    write_manifest(shard.parent)
    expected = [(s.decode(), t.decode()) for s, t in zip(SOURCES, TARGETS, strict=True)]
    assert list(read_shard_pairs(str(shard.parent), "en-de")) == expected
    with pytest.raises(DataError, match=rf"^{shard.parent}: has no pairs of en-fr; it has en-de.$"):
        next(read_shard_pairs(str(shard.parent), "en-fr"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "other"}, r"manifest.json: is not the manifest of a prepared corpus; name a directory that"),
        ({"complete": False}, r": is not complete; run the same `lealla prepare` command again to finish it.$"),
        (
            {"complete": "absent", "language_pairs": "absent"},
            r"manifest.json: lacks complete, language_pairs; prepare the corpus again",
        ),
    ],
)
def test_a_manifest_of_something_else_is_refused(tmp_path, changes, message):
    write_manifest(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path)


def test_a_manifest_must_be_there_and_be_one(tmp_path):
    with pytest.raises(DataError, match=r"manifest.json: cannot be read \(No such file or directory\).$"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(DataError, match="is not the manifest of a prepared corpus"):
        read_manifest(tmp_path)
