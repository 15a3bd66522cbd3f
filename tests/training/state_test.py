"""A run that is killed, stopped or full and started again is the run that nothing happened to."""

import signal

import keras
import numpy as np
import pytest

from lealla_tf.config import LossConfig, OptimizerConfig
from lealla_tf.errors import DataError
from lealla_tf.models.encoder import Encoder
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.state import read_state, restore_state


def test_a_run_that_was_killed_again_and_again_ends_as_if_nothing_had_happened(run, unbroken):
    """With dropout and buckets; each time, the last checkpoint is the one that was complete."""
    assert run.train(HOOK="kill_in_step:21") == -signal.SIGKILL
    assert run.last_step == 16
    assert run.train(HOOK="kill_in_checkpoint:32") == -signal.SIGKILL
    assert run.last_step == 16
    assert run.start(HOOK="fail_in_checkpoint:32").complaint(1) == (
        f"lealla: {run.path / 'checkpoints/step_00000032'}: cannot be written (No space left on device); the "
        "checkpoint before it is kept. Make room, and start the same command again."
    )
    assert run.last_step == 16
    assert run.train(HOOK="kill_before_record:48") == -signal.SIGKILL
    assert run.last_step == 32
    assert run.start(HOOK="nan_in_step:50").complaint(1).startswith("lealla: The loss is nan at step 50; ")
    assert run.last_step == 48
    assert run.train() == 0
    run.assert_is(unbroken)


def test_a_run_that_was_interrupted_saves_says_so_and_goes_on(run, unbroken):
    child = run.start(HOOK="interrupt:21")
    assert child.complaint(130) == "Stopped after step 21. The same command goes on from there."
    assert "Stopping after this step, with a checkpoint. Once more stops at once, without." in child.errors()
    assert run.last_step == 21
    assert run.train(HOOK="interrupt_twice:40") == -signal.SIGINT
    assert run.last_step == 32
    assert run.train() == 0
    assert_same_weights(run, unbroken)


@pytest.mark.slow
def test_a_run_that_was_interrupted_otherwise(run, unbroken):
    assert run.train(HOOK="terminate:7") == 130
    assert run.last_step == 7
    # The first checkpoint that it makes is that of step 16, where it is due anyway.
    assert run.train(HOOK="interrupt_in_validation:1") == 130
    assert run.last_step == 16
    # The last step is not the one that the run was stopped at.
    assert run.train(HOOK="interrupt:80") == 0
    assert_same_weights(run, unbroken)


def assert_same_weights(run, other):
    """All of the state; the log of a run that was interrupted tells of other validations."""
    for name, value in other.last().items():
        np.testing.assert_array_equal(run.last()[name], value, err_msg=name)


def test_nothing_is_left_to_do(unbroken):
    before = unbroken.last()
    child = unbroken.start()
    assert child.complaint(0) == f"{unbroken.path}: all 80 steps are done."
    assert child.out.read_text() == f"{unbroken.path / unbroken.state['best']}\n"
    for name, value in unbroken.last().items():
        np.testing.assert_array_equal(before[name], value)


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_as_if_nothing_had_happened(run, unbroken):
    generator = np.random.default_rng(0)
    killed = 0
    for _ in range(30):
        child = run.start()
        child.process.join(generator.uniform(0.5, 6.0))
        if child.process.exitcode is None:
            child.process.kill()
            killed += 1
        if child.wait() == 0:
            break
        assert child.process.exitcode == -signal.SIGKILL, child.errors()
    else:
        assert run.train() == 0
    assert killed >= 3
    run.assert_is(unbroken)


def compiled_model(dropout=0.1, teacher_dim=3, num_layers=1, seed=0, optimizer="adamw"):
    keras.utils.set_random_seed(seed)
    encoder = Encoder(10, 4, num_layers, 1, 4, max_positions=4, dropout=dropout)
    model = DistillationModel(encoder, LossConfig(), 0, teacher_dim=teacher_dim)
    made = make_optimizer(OptimizerConfig(name=optimizer, warmup_steps=0, clip_norm=0.1, weight_decay=0.1), 10)
    made.build(model.trainable_variables)
    model.compile(optimizer=made, jit_compile=False)
    return model


def test_the_state_holds_every_variable_under_a_name_of_its_own():
    model = compiled_model()
    state = read_state(model)
    seeds = model.encoder.non_trainable_variables
    kept = [*model.trainable_variables, *model.optimizer.variables, *seeds]
    assert len(state) == len(kept) - len(seeds) + 1
    # Nothing that a step changes is left out, besides the running means.
    others = {id(variable) for variable in model.variables} - {id(variable) for variable in kept}
    assert others <= {id(variable) for metric in model.metrics for variable in metric.variables}
    assert {name.partition("/")[0] for name in state} == {"encoder", "projection", "optimizer", "dropout_seeds"}


def test_restored_is_what_was_read():
    one, other = compiled_model(seed=1), compiled_model(seed=2)
    for variable in [*one.variables, *one.optimizer.variables]:
        variable.assign(variable + 1)
    assert any(np.any(value != read_state(other)[name]) for name, value in read_state(one).items())
    restore_state(other, read_state(one), "here")
    for name, value in read_state(one).items():
        np.testing.assert_array_equal(read_state(other)[name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adamw", "lazy_adamw"])
def test_steps_after_a_restoration_are_those_of_an_unbroken_run(optimizer):
    teacher = {f"{side}_teacher": np.eye(3, dtype=np.float32)[:2] for side in ("source", "target")}

    def step(model, number):
        ids = {
            f"{side}_token_ids": np.array([[1 + number, 2], [3, 9 - number]], np.int32) for side in ("source", "target")
        }
        fingerprints = {f"{side}_fingerprint": np.array([0, 1]) for side in ("source", "target")}
        model.train_step({**ids, **fingerprints, **teacher})

    one, other = (compiled_model(seed=seed, optimizer=optimizer) for seed in (1, 2))
    for number in range(2):
        step(one, number)
    restore_state(other, read_state(one), "here")
    for number in range(2, 4):
        step(one, number)
        step(other, number)
    for name, value in read_state(one).items():
        np.testing.assert_array_equal(read_state(other)[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"dropout": 0.0}, r"^here: is not a checkpoint of this run \(differing: dropout_seeds\); name another --out"),
        (
            {"teacher_dim": 5},
            r"^here: is not a checkpoint of this run \(.* has the shape \(4, 5\), and here it is \(4, 3\)",
        ),
        ({"num_layers": 2}, r"^here: does not hold the weights of this encoder"),
    ],
)
def test_the_state_of_another_model(kwargs, message):
    with pytest.raises(DataError, match=message):
        restore_state(compiled_model(), read_state(compiled_model(**kwargs)), "here")
