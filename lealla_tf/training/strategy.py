"""Where a run computes: one device, the devices of one machine or of several, or a TPU."""

import faulthandler
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from lealla_tf.errors import UsageError, UserError
from lealla_tf.training.cluster import Cluster

# Seconds in which TensorFlow connects workers that are all there; it took 0.1 s to 2 s on one machine.
_CONNECTING = 120.0


def make_strategy(
    name: str, worker_timeout: float = 600.0, progress: Callable[[str], None] = lambda line: None
) -> tf.distribute.Strategy:
    """The strategy called `name`.

    `one_device` is TensorFlow's default: the first GPU, or the CPU.  `mirrored` takes all
    GPUs, or all logical CPUs where there is none.  `multi_worker` takes the GPUs, or the CPU,
    of each of the machines that `TF_CONFIG` names.  `tpu` takes the TPU of this machine.

    To be called before TensorFlow computes anything, because workers have to be connected
    before that.

    Args:
        name: `one_device`, `mirrored`, `multi_worker` or `tpu`.
        worker_timeout: Seconds to wait for workers that are not there yet.
        progress: Called with a line to show when there are any to wait for.

    Raises:
        ValueError: for another name.
        UsageError: if a TPU is asked for and none answers, or `TF_CONFIG` is wrong.
        UserError: if a worker is missing.
    """
    if name == "one_device":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored()
    if name == "multi_worker":
        return _multi_worker(worker_timeout, progress)
    if name == "tpu":
        return _tpu()
    raise ValueError(f"`strategy` must be one of one_device, mirrored, multi_worker, tpu. Received: {name!r}.")


def distribute_batches(strategy: tf.distribute.Strategy, make_batches: Callable[[int, int], tf.data.Dataset]) -> Any:
    """The batches of a run as `fit` takes them: each replica gets its own rows of each.

    Args:
        strategy: Of the run.
        make_batches: Called with the number of this worker and with the number of workers;
            gives a dataset without end of dictionaries of tensors, this worker's rows of the
            batches of the run.

    Returns:
        A `tf.data.Dataset`, or a `tf.distribute.DistributedDataset`.
    """

    def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        batches = make_batches(context.input_pipeline_id, workers)
        replicas = context.num_replicas_in_sync // workers
        if replicas > 1:
            batches = batches.flat_map(lambda batch: tf.data.Dataset.from_tensor_slices(_split(batch, replicas)))
        # Or workers would ask each other before every step whether there is one.
        return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    return strategy.distribute_datasets_from_function(make)


def _split(batch: Any, parts: int) -> Any:
    """Columns `(rows, ...)` as `(parts, rows / parts, ...)`."""
    return tf.nest.map_structure(lambda column: tf.stack(tf.split(column, parts)), batch)


def _mirrored() -> tf.distribute.Strategy:
    """All GPUs, or all logical CPUs."""
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # The default collectives deadlock on CPUs as soon as an execution holds several steps.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def _multi_worker(timeout: float, progress: Callable[[str], None]) -> tf.distribute.Strategy:
    """All GPUs of all workers, or one CPU of each."""
    cluster = Cluster.from_environment()
    cluster.assemble(timeout, progress)
    with open(os.devnull, "w") as nowhere:
        # Should a worker die just now, TensorFlow waits for it without end and deaf to signals; this ends the process.
        faulthandler.dump_traceback_later(_CONNECTING, exit=True, file=nowhere)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            raise UserError(
                f"The workers cannot be connected ({str(error).splitlines()[0][:200]}); start all of them again."
            ) from error
        finally:
            faulthandler.cancel_dump_traceback_later()


def _tpu() -> tf.distribute.Strategy:
    """The TPU of this machine."""
    name = os.environ.get("TPU_NAME") or "local"
    if name != "local":
        # The processes of TensorFlow there have no Python in them, which reads the corpus.
        raise UsageError(
            "The strategy tpu needs the TPU of this machine; run on a TPU VM, with TPU_NAME unset. "
            f"Received: TPU_NAME={name}."
        )
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(name)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise UsageError(
            "The strategy tpu needs a TPU, and none was found "
            f"({str(error).splitlines()[0][:100]}). Run on a TPU VM, or choose --strategy=one_device."
        ) from error
    return tf.distribute.TPUStrategy(resolver)
