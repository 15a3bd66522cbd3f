"""How layers are computed: what is no part of their configuration."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

# From a shape, a seed generator and a rate to a mask of the units that dropout keeps.
Draw = Callable[[tuple[Any, ...], keras.random.SeedGenerator, float], Any]
# From a function of tensors, and those of its arguments that are none, to one that computes the same of the tensors.
Fuse = Callable[..., Callable[..., Any]]
# From a table, which is a variable or a tensor of Keras' backend, and ids to the rows that these number.
LookUp = Callable[[Any, Any], Any]
ReplicaId = Callable[[], Any]


def draw_mask(
    shape: tuple[Any, ...], seed: Any, rate: float, uniform: Callable[..., Any] = keras.random.uniform
) -> Any:
    """The units that dropout keeps: booleans of a shape, each true with probability 1 - `rate`.

    A random number takes longer than all that is done with it, so each decides two units, one in either half of the
    first axis.  A uniform number in [0, 1) drops the one if it is in [0, r), and the other if it is in
    [r - r^2, 2 r - r^2).  Both intervals are r long, and the two are independent because r^2 of them is common.

    Args:
        shape: Integers, or integer tensors.
        seed: What `uniform` takes for a seed: a seed generator, or a tensor.
        rate: Probability in [0, 1).
        uniform: From a shape and a seed to float32 numbers.
    """
    numbers = uniform(((shape[0] + 1) // 2, *shape[1:]), seed=seed)
    start = rate - rate * rate
    halves = numbers >= rate, ops.logical_or(numbers < start, numbers >= start + rate)
    return ops.concatenate(halves, axis=0)[: shape[0]]


def take_rows(table: Any, ids: Any) -> Any:
    """The rows of the table, whatever the backend."""
    return ops.take(table, ids, axis=0)


@dataclass(frozen=True)
class Execution:
    """What training replaces to be faster, or to run on several replicas.

    Layers are handed it because such replacements belong to one backend, which they must not import; `get_config`
    leaves it out.

    Attributes:
        replica_id: Called at every draw of a mask, gives the replica's number as an integer or an
            integer tensor. `None` stands for a single replica.
        draw: Draws the masks of dropout, like `draw_mask`.
        fuse: Makes the pointwise operations between two products of matrices a single one, in training.
        look_up: How rows of tokens and segments are taken from their tables. `tf.gather` reads no others, where
            Keras first reads all of a TensorFlow variable, and copies it if rows of it were ever written.
    """

    replica_id: ReplicaId | None = None
    draw: Draw = draw_mask
    fuse: Fuse = functools.partial
    look_up: LookUp = take_rows


# By Keras alone, on any backend.
PLAIN = Execution()
