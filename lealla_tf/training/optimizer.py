"""The optimizer of a run: AdamW in one of its forms, with the learning rate's warm-up and decay."""

import math
from typing import Any

import keras
from keras import ops

from lealla_tf.config import OptimizerConfig
from lealla_tf.training.adamw import ClippedAdamW, LazyAdamW

_DECAYS = ("linear", "cosine", "constant")


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises to the peak over the warm-up, then falls to 0 when the run is over.

        rate(t) = peak * (t + 1) / warmup                       for t < warmup
        rate(t) = peak * d((t - warmup) / (steps - warmup))     for warmup <= t < steps
        d(u) = 1 - u (linear), (1 + cos(pi u)) / 2 (cosine), 1 (constant)

    Args:
        peak: The largest learning rate.
        warmup_steps: Length of the warm-up; 0 for none.
        steps: Length of the run.
        decay: `linear`, `cosine` or `constant`.

    Raises:
        ValueError: if the warm-up is longer than the run, or `decay` is none of the three.
    """

    def __init__(self, peak: float, warmup_steps: int, steps: int, decay: str = "linear") -> None:
        if warmup_steps > steps:
            raise ValueError(
                "`warmup_steps` must not exceed `steps`. Set optimizer.warmup_steps. "
                f"Received: warmup_steps={warmup_steps}, steps={steps}."
            )
        if decay not in _DECAYS:
            raise ValueError(f"`decay` must be one of {', '.join(_DECAYS)}. Received: decay={decay!r}.")
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.steps = steps
        self.decay = decay

    def __call__(self, step: Any) -> Any:
        """The learning rate of the step, counted from 0."""
        step = ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        progress = ops.clip(progress, 0.0, 1.0)
        decayed = {
            "linear": 1.0 - progress,
            "cosine": 0.5 * (1.0 + ops.cos(math.pi * progress)),
            "constant": ops.ones_like(progress),
        }[self.decay]
        warming = (step + 1.0) / max(self.warmup_steps, 1)
        return self.peak * ops.where(step < self.warmup_steps, warming, decayed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps, "decay": self.decay}


def make_optimizer(config: OptimizerConfig, steps: int) -> ClippedAdamW:
    """The optimizer of a run of `steps` steps; biases and norms are not decayed."""
    kind = {"adamw": ClippedAdamW, "lazy_adamw": LazyAdamW}[config.name]
    optimizer = kind(
        clip_norm=config.clip_norm,
        learning_rate=WarmupDecay(config.learning_rate, config.warmup_steps, steps, config.decay),
        weight_decay=config.weight_decay,
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
