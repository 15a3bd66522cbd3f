"""The schedule against its formula."""

import math

import numpy as np
import pytest

from lealla_tf.config import OptimizerConfig
from lealla_tf.training.adamw import ClippedAdamW, LazyAdamW
from lealla_tf.training.optimizer import WarmupDecay, make_optimizer


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


@pytest.mark.parametrize(("name", "kind"), [("adamw", ClippedAdamW), ("lazy_adamw", LazyAdamW)])
def test_the_optimizer_of_a_configuration(name, kind):
    config = OptimizerConfig(name=name, learning_rate=0.5, warmup_steps=2, weight_decay=0.1, clip_norm=3.0, beta_1=0.8)
    optimizer = make_optimizer(config, 10)
    assert type(optimizer) is kind
    settings = optimizer.get_config()
    assert (settings["clip_norm"], settings["weight_decay"], settings["beta_1"]) == (3.0, 0.1, 0.8)
    assert float(optimizer.learning_rate) == 0.25
