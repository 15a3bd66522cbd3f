import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from lealla_tf.config import CorpusConfig, FilterConfig
from lealla_tf.corpus import preparing
from lealla_tf.corpus.opening import open_corpus
from lealla_tf.corpus.preparing import prepare_corpus
from lealla_tf.errors import DataError


class Teacher:
    """Vectors that tell their sentence: its checksum as a direction."""

    dim = 2
    fingerprint = "abc"

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.calls = []

    def embed(self, sentences):
        time.sleep(self.seconds)
        self.calls.append(list(sentences))
        angles = np.array([zlib.crc32(sentence.encode()) for sentence in sentences], np.float64)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def write_corpus(directory, count=45):
    paths = {key: directory / f"{key}.tsv" for key in ("de", "fi")}
    for key, path in paths.items():
        path.write_text("".join(f"Sentence {n}.\t{key} {n} \u00e4.\n" for n in range(count)), encoding="utf-8")
    return CorpusConfig(files=tuple(f"{key}={path}" for key, path in paths.items()))


@pytest.fixture
def config(tmp_path):
    return write_corpus(tmp_path)


def prepare(config, output, teacher=None, **arguments):
    settings = {"teacher_name": "the/teacher" if teacher else "", "validation_pairs": 3, "shard_pairs": 10, **arguments}
    return prepare_corpus(config, output, teacher=teacher, **settings)


def contents(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir()}


def test_every_pair_carries_its_own_targets(config, tmp_path):
    teacher = Teacher()
    prepared = prepare(config, tmp_path / "out", teacher)
    names = [
        f"en-{key}-{number}.tfrecord"
        for key in ("de", "fi")
        for number in [*(f"{n:05}" for n in range(5)), "validation"]
    ]
    assert sorted(contents(tmp_path / "out")) == sorted([*names, "manifest.json"])
    corpus = open_corpus(CorpusConfig(files=(str(tmp_path / "out"),)), 3, with_teacher=True)
    assert corpus.teacher == {"model": "the/teacher", "fingerprint": "abc", "dim": 2}
    assert corpus.num_pairs == 84
    texts = []
    for source in corpus.sources.values():
        assert source.sizes == [10, 10, 10, 10, 2]
        for segment in map(source.load, range(5)):
            for side, column in zip(("source", "target"), segment.texts(), strict=True):
                expected = teacher.embed(column).astype(np.float16)
                np.testing.assert_array_equal(segment.columns()[f"{side}_teacher"], expected)
            texts += segment.texts()[1]
    held_out = [text for segment in corpus.validation.values() for text in segment.texts()[1]]
    assert sorted(texts + held_out) == sorted(f"{key} {n} \u00e4." for key in ("de", "fi") for n in range(45))
    assert texts[:42] != sorted(texts[:42], key=lambda text: int(text.split()[1]))  # shuffled
    assert all(segment.source_teacher is None for segment in corpus.validation.values())
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == prepared.manifest and manifest["complete"] is True
    assert [report.kept for report in prepared.reports] == [entry["kept"] for entry in manifest["files"]] == [45, 45]


def test_the_teacher_embeds_no_more_than_a_shard_at_a_time_and_nothing_held_out(config, tmp_path):
    teacher = Teacher()
    prepare(config, tmp_path / "out", teacher)
    assert max(map(len, teacher.calls)) == 10
    assert sum(map(len, teacher.calls)) == 2 * 84


def test_two_preparations_are_equal_byte_for_byte(config, tmp_path):
    for output in ("one", "two"):
        prepare(config, tmp_path / output, Teacher())
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    prepare(config, tmp_path / "three", Teacher(), seed=1)
    first = "en-de-00000.tfrecord"
    assert contents(tmp_path / "one")[first] != contents(tmp_path / "three")[first]


PROGRAM = """
import runpy, sys
tests = runpy.run_path(sys.argv[1])
tests["prepare"](tests["write_corpus"](tests["Path"](sys.argv[2])), sys.argv[3], tests["Teacher"](seconds=0.15))
"""


def test_a_killed_preparation_is_finished_by_another(config, tmp_path):
    output = tmp_path / "out"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, __file__, str(tmp_path), str(output)], env=environment)
    try:
        until = time.monotonic() + 60
        while not (output / "en-de-00002.tfrecord").exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = contents(output)
    assert "en-fi-00000.tfrecord" not in left
    # Training from what is there is refused, in words that help.
    with pytest.raises(DataError, match=r"out: is not complete; run the same `lealla prepare` command again to finish"):
        open_corpus(CorpusConfig(files=(str(output),)), 3, with_teacher=True)

    # As if it had been killed while it wrote: files that have not got their names yet.
    for name in (".en-de-00004.tfrecord.abc.tfrecord", ".manifest.json.abc.json"):
        (output / name).write_bytes(b"half")
    shards = [name for name in left if re.fullmatch(r"en-de-\d+\.tfrecord", name)]
    times = {name: (output / name).stat().st_mtime_ns for name in shards}
    teacher = Teacher()
    prepare(config, output, teacher)
    assert {name: (output / name).stat().st_mtime_ns for name in shards} == times
    assert sum(map(len, teacher.calls)) == 2 * (84 - 10 * len(shards))
    prepare(config, tmp_path / "unbroken", Teacher())
    assert contents(output) == contents(tmp_path / "unbroken")


def test_a_finished_corpus_stays_as_it_is_and_a_missing_shard_is_written_anew(config, tmp_path):
    output = tmp_path / "out"
    prepare(config, output, Teacher())
    before = contents(output)
    idle = Teacher()
    prepare(config, output, idle)
    assert idle.calls == [] and contents(output) == before
    (output / "en-fi-00001.tfrecord").unlink()
    prepare(config, output, idle)
    assert [len(call) for call in idle.calls] == [10, 10] and contents(output) == before


def test_a_corpus_of_another_making_is_not_gone_on_with(config, tmp_path):
    output = tmp_path / "out"
    prepare(config, output, Teacher())
    before = contents(output)
    other, wide = Teacher(), Teacher()
    other.fingerprint, wide.dim = "def", 3
    script = CorpusConfig(files=config.files, filter=FilterConfig(script=True))
    for arguments, differing in [
        ({"teacher": other}, "teacher"),
        ({"teacher": wide}, "teacher"),
        ({"teacher": None}, "teacher"),
        ({"seed": 1}, "seed"),
        ({"shard_pairs": 11, "validation_pairs": 2}, "validation_pairs, shard_pairs"),
        ({"config": script}, "filter"),
        ({"config": CorpusConfig(files=config.files[:1])}, "text"),
    ]:
        with pytest.raises(
            DataError, match=rf"out: holds a corpus that was prepared otherwise \(differing: {differing}\);"
        ):
            prepare(**{"config": config, "output": output, "teacher": Teacher(), **arguments})
    assert contents(output) == before
    # What is only called otherwise is the same.
    (tmp_path / "there").symlink_to(tmp_path)
    elsewhere = CorpusConfig(
        files=tuple(argument.replace(str(tmp_path), f"{tmp_path}/there") for argument in config.files)
    )
    prepare(elsewhere, output, Teacher(), teacher_name="./the/teacher")


def test_the_fingerprint_of_a_corpus_tells_its_making(config, tmp_path):
    other = Teacher()
    other.fingerprint = "def"
    fingerprints = {
        open_corpus(CorpusConfig(files=(str(tmp_path / name),)), 3, with_teacher=False).fingerprint
        for name, arguments in [
            ("a", {"teacher": Teacher()}),
            ("b", {"teacher": other}),
            ("c", {}),
            ("d", {"seed": 1}),
            ("e", {"shard_pairs": 11}),
        ]
        if prepare(config, tmp_path / name, **arguments)
    }
    assert len(fingerprints) == 5


def test_something_else_is_not_overwritten(config, tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"file: is a file, and a directory is to be written"):
        prepare(config, tmp_path / "file")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"other: the directory is not empty and was not written by lealla"):
        prepare(config, other)
    (other / "manifest.json").write_text('{"kind": "lealla-checkpoint"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"other: holds something else than a prepared corpus; name another --output.$"):
        prepare(config, other)
    assert (other / "mine").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_ends_in_a_message_and_leaves_what_was_good(config, tmp_path):
    output = tmp_path / "out"
    prepare(config, tmp_path / "unbroken")
    sizes = [len(data) for name, data in contents(tmp_path / "unbroken").items() if name.endswith("00000.tfrecord")]
    wide = Teacher()
    wide.dim = 40_000  # the third of a shard's records passes the limit; the manifest does not
    wide.embed = lambda sentences: np.zeros((len(sentences), wide.dim), np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert max(sizes) < 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DataError, match=r"en-de-00000.tfrecord: cannot be written \(.*File too large\); make room"):
            prepare(config, output, wide)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(contents(output)) == ["manifest.json"]
    prepare(config, output, wide)
    assert len(contents(output)) == 13


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_an_error_of_the_system(config, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(PermissionError):
        prepare(config, tmp_path / "closed" / "out")
    with pytest.raises(PermissionError):
        prepare(config, tmp_path / "closed")
    assert contents(tmp_path / "closed") == {}


def test_embeddings_that_are_not_finite_are_refused(config, tmp_path):
    broken = Teacher()
    broken.embed = lambda sentences: np.full((len(sentences), 2), np.nan, np.float32)
    with pytest.raises(
        DataError, match=r"en-de-00000.tfrecord: not written, for the teacher's embeddings are not finite"
    ):
        prepare(config, tmp_path / "out", broken)
    assert list(contents(tmp_path / "out")) == ["manifest.json"]


def test_one_pair_is_a_corpus(tmp_path):
    config = write_corpus(tmp_path, count=1)
    prepare(config, tmp_path / "out", Teacher())
    corpus = open_corpus(CorpusConfig(files=(str(tmp_path / "out"),)), 3, with_teacher=True)
    assert corpus.num_pairs == 2 and corpus.validation == {}
    assert corpus.sources["en-de"].load(0).texts() == (["Sentence 0."], ["de 0 \u00e4."])


def test_progress_tells_rate_and_time_left(config, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "_SHOW_EVERY", 0)
    shown = []
    prepare(config, tmp_path / "out", Teacher(), progress=shown.append)
    number = r"[\d,]+"
    for line, done in zip(shown[:-1], (10, 20, 30, 40, 42, 45, 55, 65, 75, 85, 87), strict=True):
        assert re.fullmatch(rf"{done} of 90 pairs, {number} a second, [0-9a-z ]+ left", line)
    assert re.fullmatch(rf"90 of 90 pairs, {number} a second", shown[-1])
    again = []
    prepare(config, tmp_path / "out", Teacher(), progress=again.append)
    assert again[-1] == "90 of 90 pairs"  # nothing was done, so there is no rate


def test_a_prepared_corpus_can_be_prepared_again_with_a_teacher(config, tmp_path):
    prepare(config, tmp_path / "plain", validation_pairs=0)
    prepare(CorpusConfig(files=(str(tmp_path / "plain"),)), tmp_path / "taught", Teacher(), validation_pairs=0)
    corpus = open_corpus(CorpusConfig(files=(str(tmp_path / "taught"),)), 3, with_teacher=True)
    assert corpus.num_pairs == 90 and corpus.teacher is not None


def test_numbers_and_files_are_checked_first(config, tmp_path):
    for arguments, rule in [
        ({"shard_pairs": 0}, "`shard_pairs` must be at least 1. Received: shard_pairs=0."),
        ({"validation_pairs": -1}, "`validation_pairs` must be at least 0. Received: validation_pairs=-1."),
        ({"seed": -1}, "`seed` must be at least 0. Received: seed=-1."),
    ]:
        with pytest.raises(ValueError, match=f"^{rule}$"):
            prepare(config, tmp_path / "out", **arguments)
    with pytest.raises(DataError, match=r"^No corpus is given; name one with --corpus.$"):
        prepare(CorpusConfig(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
