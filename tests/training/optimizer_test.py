"""The schedule against its formula, clipping against NumPy on one device and on two, and what is not decayed."""

import math

import keras
import numpy as np
import pytest

from lealla_tf.config import EncoderConfig, LossConfig, OptimizerConfig
from lealla_tf.models.encoder import Encoder
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.optimizer import ClippedAdamW, WarmupDecay, make_optimizer


def reference(step, peak, warmup, steps, decay):
    """The docstring's formula, one step at a time."""
    if step < warmup:
        return peak * (step + 1) / warmup
    u = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return peak * {"linear": 1 - u, "cosine": (1 + math.cos(math.pi * u)) / 2, "constant": 1.0}[decay]


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("warmup", "steps"), [(0, 7), (3, 10), (10, 10), (1, 1), (0, 1), (9, 10)])
def test_schedule_is_its_formula(decay, warmup, steps):
    schedule = WarmupDecay(0.3, warmup, steps, decay)
    for step in range(steps + 3):
        found = float(schedule(np.int64(step)))
        assert found == pytest.approx(reference(step, 0.3, warmup, steps, decay), rel=1e-5, abs=1e-7), step


def test_schedule_by_hand():
    schedule = WarmupDecay(1.0, 4, 8, "linear")
    assert [float(schedule(step)) for step in range(9)] == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]


def test_schedule_survives_serialization():
    schedule = WarmupDecay(0.5, 2, 9, "cosine")
    assert WarmupDecay.from_config(schedule.get_config()).get_config() == schedule.get_config()


def test_schedule_refuses_a_warm_up_longer_than_the_run():
    with pytest.raises(ValueError, match=r"`warmup_steps` must not exceed `steps`.*Received: warmup_steps=9, steps=8"):
        WarmupDecay(1.0, 9, 8)


def test_schedule_refuses_another_decay():
    with pytest.raises(ValueError, match=r"`decay` must be one of linear, cosine, constant\. Received: decay='none'"):
        WarmupDecay(1.0, 0, 8, "none")


def make_model(**kwargs):
    encoder = Encoder.from_encoder_config(
        EncoderConfig(vocabulary_size=10, hidden_dim=4, num_layers=1, num_heads=1, intermediate_dim=4, max_positions=4)
    )
    return DistillationModel(encoder, LossConfig(), 0, teacher_dim=3, **kwargs)


def test_with_no_gradient_kernels_shrink_by_the_rate_times_the_decay_and_nothing_else_moves():
    """AdamW moves a weight by decay alone where its gradient was always 0."""
    model = make_model()
    config = OptimizerConfig(learning_rate=0.5, warmup_steps=0, decay="constant", weight_decay=0.1, clip_norm=0.0)
    optimizer = make_optimizer(config, 10)
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in variables], variables)
    moved = {variable.path for variable in variables if not np.all(variable.numpy() == 2.0)}
    expected = {variable.path for variable in variables if variable.name.split("/")[-1] in ("kernel", "embeddings")}
    assert moved == expected
    assert any("projection" in path for path in moved)
    for variable in variables:
        if variable.path in moved:
            np.testing.assert_allclose(variable.numpy(), 2.0 * (1 - 0.5 * 0.1), rtol=1e-6)


def test_steps_against_numpy():
    """Three steps of Adam with decoupled decay and a clipped gradient, for one kernel."""
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=2, decay="linear", weight_decay=0.2, clip_norm=1.0)
    optimizer = make_optimizer(config, 4)
    kernel = keras.Variable([1.0, -2.0, 3.0], name="kernel")
    optimizer.build([kernel])
    value, first, second = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    generator = np.random.default_rng(0)
    for step in range(3):
        gradient = generator.normal(size=3) * (3.0 if step else 0.1)
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [kernel])
        gradient = gradient * min(1.0, 1.0 / np.linalg.norm(gradient))
        rate = reference(step, 0.1, 2, 4, "linear")
        value = value - rate * 0.2 * value
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        value = value - rate * corrected * first / (np.sqrt(second) + 1e-6)
        np.testing.assert_allclose(kernel.numpy(), value, rtol=1e-5)


def test_get_config_keeps_the_clipping():
    optimizer = ClippedAdamW(clip_norm=0.25, weight_decay=0.0)
    assert ClippedAdamW.from_config(optimizer.get_config()).clip_norm == 0.25


@pytest.fixture(scope="module")
def moments(start, tmp_path_factory):
    """First moments after a step of `steps.py`'s linear loss, by number of replicas and case."""
    directory = tmp_path_factory.mktemp("clipping")
    cases = ("clipping", "no_clipping", "wrong_clipping")
    children = {count: start("steps.py", directory / f"{count}.npz", count, *cases) for count in (1, 2)}
    for child in children.values():
        assert child.wait() == 0, child.errors()
    files = {count: np.load(directory / f"{count}.npz") for count in children}
    return {
        count: {case: {name: file[f"{case}:{name}"] for name in ("table", "kernel")} for case in cases}
        for count, file in files.items()
    }


def _gradient():
    """Of sum_i (table[id_i] . kernel) weight_i, by hand: rows 0 and 3 are met twice each."""
    table, kernel = np.arange(10).reshape(5, 2) / 10, np.array([1.0, -2.0])
    of_table = np.zeros((5, 2))
    of_table[0], of_table[3] = (1.0 + 5.0) * kernel, (2.0 - 3.0) * kernel
    return {"table": of_table, "kernel": 6.0 * table[0] - 1.0 * table[3]}


@pytest.mark.parametrize("count", [1, 2])
def test_clipping_scales_the_whole_gradient_to_the_norm(moments, count):
    gradient = _gradient()
    norm = np.sqrt(sum(np.sum(value**2) for value in gradient.values()))
    for name, value in gradient.items():
        np.testing.assert_allclose(moments[count]["no_clipping"][name], 0.1 * value, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(moments[count]["clipping"][name], 0.1 * value * 0.5 / norm, rtol=1e-5, atol=1e-7)


def test_clipping_before_the_reduction_is_another_gradient(moments):
    """The negative control: what Keras does of itself depends on the number of replicas."""
    one, two = (moments[count]["wrong_clipping"]["table"] for count in (1, 2))
    assert np.abs(one - two).max() > 1e-3
