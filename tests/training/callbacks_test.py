"""The log and the signals of a run, without one."""

import json
import signal
import types

import pytest

from lealla_tf.errors import DataError, UserError
from lealla_tf.training.callbacks import Checkpointing, RunLog


class Model:
    """As much of a model as the callbacks touch."""

    def __init__(self):
        self.optimizer = types.SimpleNamespace(learning_rate=0.25)
        self.stop_training = False
        self.resets = 0

    def reset_metrics(self):
        self.resets += 1


def make_log(directory, first_step=0, every=2, steps=10):
    lines = []
    log = RunLog(directory, every, first_step, steps, 32, lines.append)
    log.set_model(Model())
    log.on_train_begin()
    return log, lines


def entries(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def test_entries_are_due_every_few_steps_and_at_the_last(tmp_path):
    log, lines = make_log(tmp_path, steps=5)
    for batch in range(5):
        log.on_train_batch_end(batch, {"loss": float(batch)})
    log.on_train_end()
    assert [(entry["step"], entry["loss"], entry["learning_rate"]) for entry in entries(tmp_path)] == [
        (2, 1.0, 0.25),
        (4, 3.0, 0.25),
        (5, 4.0, 0.25),
    ]
    assert log.model.resets == 3
    assert len(lines) == 3
    assert lines[0].startswith("step       2/5  loss 1  ")
    assert lines[0].endswith(" left")


def test_steps_count_from_the_one_that_the_run_goes_on_from(tmp_path):
    log, _ = make_log(tmp_path, first_step=4)
    for batch in range(2):
        log.on_train_batch_end(batch, {"loss": 1.0})
    assert [entry["step"] for entry in entries(tmp_path)] == [6]


def test_entries_that_a_killed_run_left_are_dropped(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"step": 8, "lo')
    make_log(tmp_path, first_step=4)
    assert entries(tmp_path) == [{"step": 2}, {"step": 4}]


@pytest.mark.parametrize("line", ["not JSON", "[]", "{}", '{"step": "x"}', "\xff"])
def test_entries_of_something_else(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 2}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(DataError, match=r"metrics.jsonl:2: is not an entry of a run; mend or remove the line\.$"):
        make_log(tmp_path, first_step=4)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(tmp_path, loss):
    log, _ = make_log(tmp_path)
    log.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(
        UserError, match=rf"^The loss is {loss} at step 2; the run stopped.*Lower optimizer.learning_rate"
    ):
        log.on_train_batch_end(1, {"loss": loss})
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_log_that_cannot_be_written(tmp_path):
    log, _ = make_log(tmp_path, every=1)
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(
        DataError, match=r"metrics.jsonl: cannot be written \(Is a directory\); make room, and start the"
    ):
        log.on_train_batch_end(0, {"loss": 1.0})


def test_events_that_cannot_be_written(tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(
        DataError, match=r"tensorboard: cannot be written \(.*\); make room, and start the same command"
    ):
        make_log(tmp_path)


def make_checkpointing(first_step=0, steps=10):
    saved, lines = [], []
    checkpointing = Checkpointing(saved.append, 4, first_step, steps, bool, lines.append)
    checkpointing.set_model(Model())
    checkpointing.on_train_begin()
    return checkpointing, saved, lines


def test_checkpoints_are_due_every_few_steps_and_at_the_last():
    checkpointing, saved, _ = make_checkpointing(first_step=2)
    for batch in range(8):
        checkpointing.on_train_batch_end(batch)
    checkpointing.restore_signals()
    assert saved == [4, 8, 10]
    assert not checkpointing.model.stop_training


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_after_the_step_and_a_second_one_is_not_held_back(number):
    before = signal.getsignal(number)
    checkpointing, saved, lines = make_checkpointing()
    checkpointing.on_train_batch_end(0)
    signal.raise_signal(number)
    assert lines == ["Stopping after this step, with a checkpoint. Once more stops at once, without."]
    assert saved == []
    assert signal.getsignal(number) == signal.SIG_DFL
    checkpointing.on_train_batch_end(1)
    assert saved == [2]
    assert checkpointing.model.stop_training
    assert checkpointing.interrupted
    checkpointing.restore_signals()
    assert signal.getsignal(number) == before
