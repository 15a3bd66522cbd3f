"""Two processes train as one: together stopped, together failed, together gone on, with the end of one device."""

import json
import signal

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.training.workers import Workers

ENDED = (
    "lealla: Another worker has ended or is out of reach, and so this one ends too; see what that one said. Start "
    "the same command on all workers again, and the run goes on from its last checkpoint."
)
# Without dropout, whose masks differ with the number of replicas.
SETTINGS = ["encoder.dropout=0.0", "training.steps=12", "training.checkpoint_every=4", "training.log_every=4"]
# Adam divides by the size of a gradient, which makes much of the rounding of a small one.
SETTINGS += ["optimizer.warmup_steps=2", "optimizer.epsilon=1e-3"]
MORE = [argument for setting in SETTINGS for argument in ("--set", setting)]


@pytest.fixture(scope="module")
def alone(make_run):
    """The run on one device, to which nothing happened."""
    alone = make_run("alone")
    child = alone.start(*MORE)
    assert child.wait() == 0, child.errors()
    return alone


def wait(children):
    """The exit codes."""
    return [child.wait() for child in children]


def assert_same_end(run, other):
    """The same weights but for rounding, the same validations, the same steps in the log."""
    expected, found = other.last("encoder"), run.last("encoder")
    # Softmax does not change with the key's bias: its gradient is rounding, which Adam blows up to whole steps.
    names = expected.keys() - {"layer_0/attention/key/bias"}
    assert expected.keys() == found.keys()
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6, err_msg=name)
    assert [entry["step"] for entry in run.losses] == [entry["step"] for entry in other.losses]
    assert run.losses[-1]["loss"] == pytest.approx(other.losses[-1]["loss"], rel=1e-5)
    assert run.validations[-1] == other.validations[-1]


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_and_the_run_goes_on_with_two_and_then_with_one(run, alone):
    chief, killed = run.start_workers(*MORE, hooks=("", "kill_in_step:6"))
    assert killed.wait() == -signal.SIGKILL
    assert chief.complaint(1) == ENDED
    assert run.last_step == 4
    # One of them is told to stop, and both do.
    stopped = run.start_workers(*MORE, hooks=("", "terminate:7"))
    assert wait(stopped) == [130, 130]
    assert all(
        child.errors().endswith("Stopped after step 7. The same command goes on from there.\n") for child in stopped
    )
    assert run.last_step == 7
    assert run.train(*MORE) == 0
    assert_same_end(run, alone)
    assert json.loads((run.path / "config.json").read_text())["training"]["strategy"] == "one_device"


@pytest.mark.slow
def test_a_killed_chief_and_a_run_of_one_that_goes_on_with_two(run, alone):
    assert run.train(*MORE, HOOK="interrupt:5") == 130
    killed, other = run.start_workers(*MORE, hooks=("kill_in_checkpoint:8", ""))
    assert killed.wait() == -signal.SIGKILL
    assert other.complaint(1) == ENDED
    assert run.last_step == 5
    finished = run.start_workers(*MORE, "--steps-per-execution=1")
    assert wait(finished) == [0, 0]
    assert {child.out.read_text() for child in finished} == {f"{run.path / run.state['best']}\n"}
    assert_same_end(run, alone)
    # Nothing of it was written twice.
    assert [entry["step"] for entry in run.validations] == [4, 5, 8, 12]
    assert not [path for path in run.path.rglob(".*") if path.name != ".lock"]


@pytest.mark.slow
def test_what_goes_wrong_on_one_worker_ends_all(run):
    full = run.start_workers(*MORE, hooks=("fail_in_checkpoint:4", ""))
    assert "step_00000004: cannot be written (No space left on device)" in full[0].complaint(1)
    assert full[1].complaint(1) == ENDED
    # What all see, all say, but for one that on a busy machine looks only after the other has ended.
    diverged = run.start_workers(*MORE, hooks=("nan_in_step:3", ""))
    complaints = {child.complaint(1).partition(";")[0] for child in diverged}
    assert "lealla: The loss is nan at step 3" in complaints
    assert complaints <= {"lealla: The loss is nan at step 3", ENDED.partition(";")[0]}


@pytest.mark.slow
def test_workers_that_do_not_fit_together(run, tmp_path):
    chief, other = run.start_workers(*MORE, others=["--set", "training.seed=4"])
    assert chief.complaint(2) == other.complaint(2)
    assert chief.complaint(2) == (
        "lealla: All workers must be given the same settings; that of worker 1 differs from the chief's."
    )
    chief, other = run.start_workers(*MORE, others=[f"--output={tmp_path / 'elsewhere'}"])
    assert other.complaint(1) == (
        f"lealla: {tmp_path / 'elsewhere'}: the chief's run is not to be seen here; --output must name a directory "
        "that all workers share."
    )
    assert chief.complaint(1) == ENDED
    assert [child.complaint(2) for child in run.start_workers(*MORE, "--set", "batch.size=31")] == 2 * [
        "lealla: batch.size must be a multiple of the number of replicas, 2. Received: batch.size=31."
    ]


@pytest.mark.slow
def test_a_teacher_on_the_fly(make_run, unbroken):
    more = [*MORE, f"--teacher={unbroken.path}", "--set", "loss.feature=1", "--set", "loss.logit=0.01"]
    one, two = make_run("one"), make_run("two")
    assert one.train(*more) == 0
    assert wait(two.start_workers(*more)) == [0, 0]
    assert_same_end(two, one)


def test_a_single_worker_does_not_wait():
    workers = Workers(tf.distribute.get_strategy())
    assert workers.is_chief
    assert workers.any(True)
    assert not workers.any(False)
    workers.require_same(settings="these")


def test_a_single_worker_has_nobody_else_to_blame():
    with pytest.raises(tf.errors.UnavailableError), Workers(tf.distribute.get_strategy()).failing_together():
        raise tf.errors.UnavailableError(None, None, "gone")
