"""AdamW of the gradient of the global batch, clipped by its norm; of all rows of a table, or of those that are used."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class ClippedAdamW(keras.optimizers.AdamW):
    """AdamW that clips the gradient of the global batch by its global norm.

        m = beta_1 m + (1 - beta_1) g            v = beta_2 v + (1 - beta_2) g^2
        w = w - rate decay w - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Keras clips each replica's gradient before it sums them, which clips something else: here
    the sum comes first.  A table's gradient lists a row once for each time that it was looked
    up; what belongs to one row is added up before the norm is taken.  Each weight is then
    updated by a single operation that passes over it once, where Keras' own takes a dozen.

    Args:
        clip_norm: The largest global norm; 0 switches clipping off.
        **kwargs: Those of `keras.optimizers.AdamW`.

    Reference: Loshchilov and Hutter, 2019; Pascanu et al., 2013 (clipping).
    """

    _is_lazy = False

    def __init__(self, clip_norm: float = 0.0, name: str = "clipped_adamw", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.clip_norm = clip_norm

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves a weight and its moments, given the clipped gradient."""
        self._decay(variable, learning_rate)
        place = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            # Of another type than the weight's the operation would end the process.
            grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
            **self._constants(learning_rate, variable.dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "clip_norm": self.clip_norm}

    def _constants(self, learning_rate: Any, dtype: tf.DType) -> dict[str, Any]:
        """What Adam takes besides gradient and moments, under the names of TensorFlow's operation."""
        step = tf.cast(self.iterations + 1, dtype)
        return {
            "lr": tf.cast(learning_rate, dtype),
            "beta1": tf.constant(self.beta_1, dtype),
            "beta2": tf.constant(self.beta_2, dtype),
            "beta1_power": tf.pow(tf.constant(self.beta_1, dtype), step),
            "beta2_power": tf.pow(tf.constant(self.beta_2, dtype), step),
            "epsilon": tf.constant(self.epsilon, dtype),
        }

    def _decay(self, variable: Any, learning_rate: Any) -> None:
        """Shrinks a weight by the rate times the decay."""
        # Keras reads and writes every weight even to subtract 0 of it.
        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign_sub(variable * (tf.cast(learning_rate, variable.dtype) * self.weight_decay))

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        gradients = sum_over_replicas(grads, keep_slices=self._is_lazy)
        if not self.clip_norm:
            return gradients
        clipped, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        return list(clipped)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        # Summed in `_clip_gradients` already.
        return grads_and_vars

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        # Done in `update_step`, which knows the rows that a gradient is of.
        return


class LazyAdamW(ClippedAdamW):
    """AdamW that leaves alone the rows of a table which a batch does not look up.

    It is another optimizer than AdamW: a row's moments do not decay, and its weights are
    neither decayed nor moved on by its momentum, while the row is not looked up.  When it is,
    it is updated as AdamW would, with the bias correction of the run's step.  All weights
    that are not rows of a table are updated by AdamW.  A table of half a million rows, of
    which a batch uses a thousandth, costs next to nothing this way.

    Args:
        clip_norm: As for `ClippedAdamW`.
        **kwargs: Those of `keras.optimizers.AdamW`.
    """

    _is_lazy = True

    def __init__(self, clip_norm: float = 0.0, name: str = "lazy_adamw", **kwargs: Any) -> None:
        super().__init__(clip_norm, name, **kwargs)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves the rows that have a gradient, or the whole of a weight that has a dense one."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        given = gradient.indices >= 0
        rows, values = tf.boolean_mask(gradient.indices, given), tf.boolean_mask(gradient.values, given)
        values = tf.cast(values, variable.dtype)
        constants = self._constants(learning_rate, variable.dtype)
        place = self._get_variable_index(variable)
        moments = self._momentums[place].value, self._velocities[place].value
        first = constants["beta1"] * tf.gather(moments[0], rows) + (1 - constants["beta1"]) * values
        second = constants["beta2"] * tf.gather(moments[1], rows) + (1 - constants["beta2"]) * tf.square(values)
        rate = constants["lr"] * tf.sqrt(1 - constants["beta2_power"]) / (1 - constants["beta1_power"])
        weights = tf.gather(variable, rows)
        if self.weight_decay and self._use_weight_decay(variable):
            weights *= 1 - constants["lr"] * self.weight_decay
        weights -= rate * first / (tf.sqrt(second) + self.epsilon)
        for written, new in zip((*moments, variable), (first, second, weights), strict=True):
            written.scatter_update(tf.IndexedSlices(new, rows))
        # Having been written to by rows, a variable is copied as a whole each time it is read, unless told not to be.
        tf.raw_ops.DisableCopyOnRead(resource=variable.handle)


def sum_over_replicas(gradients: Sequence[Any], keep_slices: bool = False) -> list[Any]:
    """The gradients of the global batch, from those of this replica's part of the loss.

    Args:
        gradients: Tensors, and `tf.IndexedSlices` of the rows that were looked up in a table.
        keep_slices: Whether slices are to stay slices even if there are more of them, over all
            replicas, than the table has rows; they become a tensor otherwise.

    Returns:
        The sums, in which no row has more than one slice.
    """
    context = tf.distribute.get_replica_context()
    replicas = 1 if context is None else context.num_replicas_in_sync
    gradients = [
        gradient if keep_slices or _is_sparse(gradient, replicas) else tf.convert_to_tensor(gradient)
        for gradient in gradients
    ]
    if replicas > 1:
        dense = [gradient for gradient in gradients if not isinstance(gradient, tf.IndexedSlices)]
        summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, dense))
        gradients = [
            _gather_slices(gradient) if isinstance(gradient, tf.IndexedSlices) else next(summed)
            for gradient in gradients
        ]
    return [distinct_rows(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients]


def distinct_rows(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """The slices with those of the same row added up.

    Returns:
        As many slices, so that shapes stay static: the distinct rows in rising order, then
        row -1 with values of 0, which `tf.convert_to_tensor` drops.
    """
    order = tf.argsort(slices.indices)
    rows = tf.gather(slices.indices, order)
    count = tf.size(rows)
    is_next = tf.concat([tf.zeros_like(rows[:1]), tf.cast(rows[1:] != rows[:-1], rows.dtype)], axis=0)
    places = tf.cumsum(is_next)
    values = tf.math.unsorted_segment_sum(tf.gather(slices.values, order), places, count)
    rows = tf.maximum(tf.math.unsorted_segment_max(rows, places, count), -1)
    return tf.IndexedSlices(values, rows, slices.dense_shape)


def _is_sparse(gradient: Any, replicas: int) -> bool:
    """Whether a gradient is to be handled row by row."""
    if not isinstance(gradient, tf.IndexedSlices):
        return False
    slices, shape = gradient.indices.shape[0], tf.get_static_value(gradient.dense_shape)
    return slices is None or shape is None or slices * replicas < shape[0]


def _gather_slices(slices: tf.IndexedSlices) -> tf.IndexedSlices:
    """The slices of all replicas, one after the other."""
    context = tf.distribute.get_replica_context()
    values, rows = context.all_gather([slices.values, slices.indices], axis=0)
    return tf.IndexedSlices(values, rows, slices.dense_shape)
