"""Dropout that draws another mask on every replica of a distributed step."""

from typing import Any

import keras
from keras import ops

from lealla_tf.layers.execution import PLAIN, Execution, ReplicaId

# Spreads the replicas' seeds apart: the layers of a model count up from one seed, by far less than this.
_REPLICA_STRIDE = 1 << 20


class ReplicaSeedGenerator(keras.random.SeedGenerator):
    """A seed generator that moves its seeds by the number of the replica that asks.

    Keras' generator holds the same state on all replicas, so that its layers drop the same
    units in every replica's part of the batch.

    Args:
        seed: An integer; the sequence of seeds follows from it.
        replica_id: See `lealla_tf.layers.execution.Execution`.
    """

    def __init__(self, seed: int, replica_id: ReplicaId | None = None, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        self._replica_id = replica_id

    def next(self, ordered: bool = True) -> Any:
        """The next seed, `(2,)`, and moves the state on."""
        seed = super().next(ordered)
        if self._replica_id is None:
            return seed
        replica = ops.cast(self._replica_id(), seed.dtype)
        return ops.stack([seed[0] + replica * _REPLICA_STRIDE, seed[1]])


def drop(inputs: Any, kept: Any, rate: float) -> Any:
    """The units that are kept, scaled by 1 / (1 - rate), and 0 for the others."""
    return ops.where(kept, inputs * (1 / (1 - rate)), 0.0)


class Dropout(keras.layers.Layer):
    """Sets units to 0 with probability `rate` and scales the others by 1 / (1 - rate).

    Args:
        rate: Probability in [0, 1).
        seed: Seed of the masks; two layers with the same seed draw the same masks.
        execution: How the masks are drawn.

    Call arguments:
        inputs: A float tensor of one axis or more.
        training: Whether to drop units.

    Raises:
        ValueError: if `rate` is not in [0, 1).

    Reference: Srivastava et al., 2014.
    """

    def __init__(self, rate: float, seed: int = 0, execution: Execution = PLAIN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}.")
        self.rate = rate
        self.seed = seed
        self.execution = execution
        self.seed_generator = None
        if rate > 0:
            self.seed_generator = ReplicaSeedGenerator(seed, execution.replica_id, name="seed_generator")
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs with units dropped, if `training`."""
        if not training or self.rate == 0:
            return inputs
        return drop(inputs, self.draw(ops.shape(inputs)), self.rate)

    def draw(self, shape: Any) -> Any:
        """A mask for training: booleans of a shape, each true with probability 1 - `rate`."""
        return self.execution.draw(shape, self.seed_generator, self.rate)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that describe the layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
