"""What replicas tell each other: who they are, and everybody's rows."""

from typing import Any

import tensorflow as tf

from lealla_tf.losses.combined import Pairs


def replica_id() -> Any:
    """The number of the replica that is running, an integer or an int32 tensor; 0 outside of one."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group


def replica_count() -> int:
    """The number of replicas that step together."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def gather_pairs(pairs: Pairs) -> Pairs:
    """The rows of all replicas, `(batch, ...)` each, in the order of their numbers.

    Gradients flow back to the replica that each row came from.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return pairs
    # A tensor that comes as it is from the input has no device yet, and several workers gather by the device.
    return Pairs(*context.all_gather([tf.identity(side) for side in pairs], axis=0))
