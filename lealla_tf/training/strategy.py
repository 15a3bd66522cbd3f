"""Where a run computes: one device, the devices of one machine, or a TPU."""

import os

import tensorflow as tf

from lealla_tf.errors import UsageError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy called `name`.

    `one_device` is TensorFlow's default: the first GPU, or the CPU.  `mirrored` takes all
    GPUs, or all logical CPUs where there is none.  `tpu` takes the TPU that the environment
    names (`TPU_NAME`), or the one of this machine.

    Raises:
        ValueError: for another name.
        UsageError: if a TPU is asked for and none answers.
    """
    if name == "one_device":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored()
    if name == "tpu":
        return _tpu()
    raise ValueError(f"`strategy` must be one of one_device, mirrored, tpu. Received: {name!r}.")


def _mirrored() -> tf.distribute.Strategy:
    """All GPUs, or all logical CPUs."""
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # The default collectives deadlock on CPUs as soon as an execution holds several steps.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def _tpu() -> tf.distribute.Strategy:
    """The TPU that `TPU_NAME` names, or that of this machine."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(os.environ.get("TPU_NAME", "local"))
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise UsageError(
            "The strategy tpu needs a TPU, and none was found "
            f"({str(error).splitlines()[0][:100]}). Run on a TPU VM, or set TPU_NAME, or choose --strategy=one_device."
        ) from error
    return tf.distribute.TPUStrategy(resolver)
