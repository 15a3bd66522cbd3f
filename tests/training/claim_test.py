"""Whose directory it is: of one process, one configuration, one corpus; and never of something else."""

import fcntl
import json

import pytest

from lealla_tf.checkpoints import RunDirectory
from lealla_tf.config import Config, EncoderConfig
from lealla_tf.errors import DataError, UsageError
from lealla_tf.settings import to_json
from lealla_tf.training.claim import claimed_run

CONFIG = Config()
FACTS = {"vocabulary": "abc", "corpus": "def"}


def claim(path, config=CONFIG, facts=FACTS):
    with claimed_run(path, config, facts) as run:
        return run


def trained(path):
    """A run with a checkpoint, as far as the claim looks at one."""
    run = claim(path)
    (path / "checkpoints" / "step_00000001").mkdir(parents=True)
    run.record(run.checkpoint_path(1), None)
    return path


def test_a_new_run(tmp_path):
    path = tmp_path / "deep" / "run"
    run = claim(path)
    assert run.last is None
    assert (path / "config.json").read_text() == to_json(CONFIG)
    assert RunDirectory(path).facts == FACTS


def test_the_same_run_again(tmp_path):
    path = trained(tmp_path / "run")
    (path / "checkpoints" / ".step_00000002.abc").mkdir()
    (path / ".run.json.abc.json").touch()
    assert claim(path).last == path / "checkpoints/step_00000001"
    assert {item.name for item in path.iterdir()} == {".lock", "checkpoints", "config.json", "run.json"}
    assert [item.name for item in (path / "checkpoints").iterdir()] == ["step_00000001"]


def test_another_configuration(tmp_path):
    path = trained(tmp_path / "run")
    before = (path / "config.json").read_text()
    with pytest.raises(
        UsageError,
        match=r"run holds a run with other settings \(encoder.num_layers was 24 and is 3\); name another --output, or",
    ):
        claim(path, Config(encoder=EncoderConfig(num_layers=3)))
    assert (path / "config.json").read_text() == before


@pytest.mark.parametrize("name", ["vocabulary", "corpus"])
def test_other_facts(tmp_path, name):
    path = trained(tmp_path / "run")
    with pytest.raises(UsageError, match=rf"run holds a run with another {name}; name another --output\.$"):
        claim(path, facts={**FACTS, name: "other"})


def test_a_start_without_a_checkpoint_binds_nothing(tmp_path):
    path = tmp_path / "run"
    claim(path)
    (path / "tensorboard").mkdir()
    other = Config(encoder=EncoderConfig(num_layers=3))
    claim(path, other, {**FACTS, "corpus": "other"})
    assert (path / "config.json").read_text() == to_json(other)
    assert RunDirectory(path).facts["corpus"] == "other"
    assert not (path / "tensorboard").exists()


@pytest.mark.parametrize("leftover", ["", ".lock", ".run.json.k3x.json", "run.json"])
def test_a_run_that_was_killed_at_its_very_start(tmp_path, leftover):
    if leftover:
        (tmp_path / leftover).write_text('{"kind": "lealla-run"}' if leftover == "run.json" else "")
    claim(tmp_path)
    assert (tmp_path / "config.json").is_file()


@pytest.mark.parametrize("foreign", ["thesis.tex", ".git", "config.json"])
def test_something_else(tmp_path, foreign):
    """It is left exactly as it is."""
    (tmp_path / foreign).write_text("{}")
    with pytest.raises(DataError, match=r"the directory is not empty and holds no run; name another --output\.$"):
        claim(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == [foreign]


def test_the_run_of_another_program(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"kind": "other"}))
    with pytest.raises(DataError, match="holds no run"):
        claim(tmp_path)


def test_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file: is a file, and a directory is to be written; name another --output\.$"):
        claim(tmp_path / "file")


def test_two_processes_at_once(tmp_path):
    path = trained(tmp_path / "run")
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(
            UsageError, match=r"run: another process is training here; wait for it or name another --out"
        ):
            claim(path)
    claim(path)


def test_the_lock_is_held_as_long_as_the_claim(tmp_path):
    with claimed_run(tmp_path / "run", CONFIG, FACTS), pytest.raises(UsageError, match="another process is training"):
        claim(tmp_path / "run")


def test_a_parent_that_cannot_be_written(tmp_path):
    """Even root cannot write below a file."""
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written, for .*file is a file"):
        claim(tmp_path / "file" / "run")
