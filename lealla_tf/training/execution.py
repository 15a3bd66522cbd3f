"""How an encoder is computed while it is trained."""

import functools
from typing import Any

import tensorflow as tf

from lealla_tf.config import TrainingConfig
from lealla_tf.layers.execution import Execution, draw_mask
from lealla_tf.training.cross_replica import replica_id
from lealla_tf.training.fusion import fuse


def execution_of(config: TrainingConfig) -> Execution:
    """What suits TensorFlow on the devices of a configuration."""
    is_tpu = config.strategy == "tpu"
    # Where XLA compiles the whole encoder, nothing is left to be fused.
    is_compiled = config.jit_compile or is_tpu
    return Execution(
        replica_id=replica_id,
        # A TPU has a generator of its own, which it uses unless told otherwise.
        draw=draw_mask if is_tpu else draw_mask_by_threefry,
        fuse=functools.partial if is_compiled else fuse,
        look_up=tf.gather,
    )


def draw_mask_by_threefry(shape: tuple[Any, ...], seed: Any, rate: float) -> Any:
    """The same as `draw_mask` by another generator, and so other units.

    XLA computes Threefry for many numbers at once and goes on with them in the same pass, where TensorFlow's own
    Philox goes number by number.  The generator is named because the one that XLA takes by itself is slow on CPUs.
    Where functions run eagerly, XLA compiles nothing, and this is `draw_mask`.
    """
    if tf.config.functions_run_eagerly():
        return draw_mask(shape, seed, rate)
    known = [size if isinstance(size, int) else None for size in shape]
    return tf.ensure_shape(_draw(tf.stack(shape), seed.next(), rate), known)


@tf.function(autograph=False, jit_compile=True)
def _draw(shape: Any, seed: Any, rate: float) -> Any:
    uniform = functools.partial(tf.random.stateless_uniform, alg="threefry")
    return draw_mask(tuple(tf.unstack(shape)), seed, rate, uniform)
