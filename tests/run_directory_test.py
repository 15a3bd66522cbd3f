"""The directory of a run: which of its checkpoints it keeps, records and stands for."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lealla_tf.checkpoints import RunDirectory, load_checkpoint
from lealla_tf.errors import DataError
from lealla_tf.files import MANIFEST, write_json


def refused(path: Path, message: str) -> Any:
    return pytest.raises(DataError, match=re.escape(f"{path}{message}"))


def write_step(run: RunDirectory, step: int) -> Path:
    """Stands in for a checkpoint: to the directory of a run it is only a name."""
    path = run.checkpoint_path(step)
    path.mkdir(parents=True)
    (path / MANIFEST).write_text(json.dumps({"kind": "lealla-checkpoint"}))
    return path


def steps(run: RunDirectory) -> list[str]:
    return sorted(path.name for path in (run.path / "checkpoints").iterdir())


def test_a_new_run_has_nothing(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    assert (run.last, run.best, run.facts) == (None, None, {})
    assert not run.path.exists()
    run.remove_others()


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    kept = []
    for step, score in ((10, 0.3), (20, 0.7), (30, 0.5), (40, 0.7), (50, 0.6)):
        run.record(write_step(run, step), score)
        kept.append(steps(run))
    assert kept == [
        ["step_00000010"],
        ["step_00000020"],
        ["step_00000020", "step_00000030"],
        ["step_00000020", "step_00000040"],  # as good is not better
        ["step_00000020", "step_00000050"],
    ]
    again = RunDirectory(tmp_path)
    assert (again.last, again.best) == (run.checkpoint_path(50), run.checkpoint_path(20))


def test_without_scores_the_last_is_the_best(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for step in (10, 20):
        run.record(write_step(run, step), None)
    assert run.best == run.last == run.checkpoint_path(20)
    assert steps(run) == ["step_00000020"]


@pytest.mark.parametrize("score", [float("nan"), None])
def test_a_checkpoint_without_a_score_is_not_the_best(tmp_path: Path, score: float | None) -> None:
    run = RunDirectory(tmp_path)
    run.record(write_step(run, 10), 0.0)
    run.record(write_step(run, 20), score)
    assert (run.best, run.last) == (run.checkpoint_path(10), run.checkpoint_path(20))


def test_facts(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.create({"vocabulary": "abc", "corpus": "def"})
    run.record(write_step(run, 10), 0.5)
    assert RunDirectory(tmp_path).facts == {"vocabulary": "abc", "corpus": "def"}


def test_a_crash_between_writing_and_recording(tmp_path: Path) -> None:
    """The run goes on from the recorded checkpoint, and may write the other one again."""
    run = RunDirectory(tmp_path)
    run.record(write_step(run, 10), 0.5)
    write_step(run, 20)
    again = RunDirectory(tmp_path)
    assert again.last == run.checkpoint_path(10)
    again.remove_others()
    assert steps(again) == ["step_00000010"]
    again.record(write_step(again, 20), 0.6)
    assert again.best == again.checkpoint_path(20)


def test_a_full_disk_while_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written down has not happened: the run still names the checkpoint before."""
    run = RunDirectory(tmp_path)
    run.record(write_step(run, 10), 0.5)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lealla_tf.checkpoints.write_json", fail)
    path = write_step(run, 20)
    with pytest.raises(OSError, match="No space left"):
        run.record(path, 0.9)
    for seen in (run, RunDirectory(tmp_path)):
        assert seen.last == seen.best == run.checkpoint_path(10)
        assert seen.last.is_dir()


def test_leftovers_are_removed_and_other_things_are_not(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.record(write_step(run, 10), 0.5)
    (tmp_path / "checkpoints" / ".step_00000020.0123abcd").mkdir()
    (tmp_path / "checkpoints" / "the_good_one").mkdir()
    (tmp_path / "checkpoints" / ".DS_Store").touch()
    run.remove_others()
    assert steps(run) == [".DS_Store", "step_00000010", "the_good_one"]


def test_a_run_without_a_checkpoint(tmp_path: Path) -> None:
    RunDirectory(tmp_path).create({})
    with refused(tmp_path, ": the run has no checkpoint yet; let it train for longer."):
        load_checkpoint(tmp_path)


def test_a_run_whose_checkpoint_is_gone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.record(write_step(run, 10), 0.5)
    shutil.rmtree(run.checkpoint_path(10))
    with refused(run.checkpoint_path(10), ": is not a checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [{"kind": "lealla-checkpoint"}, {"pace": "5:30"}, [1], "run"])
def test_a_run_file_of_another_making(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "run.json", content)
    for use in (RunDirectory, load_checkpoint):
        with refused(tmp_path / "run.json", ": is not of a run of `lealla train`; name another directory."):
            use(tmp_path)
