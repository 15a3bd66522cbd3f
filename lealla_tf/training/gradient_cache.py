"""The gradient of a loss of more rows than fit into memory with all that a tape keeps of them.

The rows are embedded chunk by chunk without a tape.  From the embeddings of all rows come the
loss and its gradient with respect to them; then each chunk is embedded once more, with a tape,
and the chain rule gives what it adds to the gradients of the weights.  The sum is the gradient
of the whole, at the price of a second forward pass.

Reference: Gao et al., 2021, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def map_chunks(function: Callable[[Any], Any], inputs: Any, chunk: int, widths: Any) -> Any:
    """What `function` gives for all rows, computed for `chunk` of them at a time.

    Args:
        function: From the rows of a chunk to float32 `(chunk, width)`, or a nest of such.
        inputs: Tensors `(rows, ...)`, nested in any way; `chunk` must divide `rows`.
        chunk: The number of rows in a chunk.
        widths: The widths of the outputs, nested as they are.

    Returns:
        float32 `(rows, width)`, nested as the outputs.
    """
    signature = tf.nest.map_structure(lambda width: tf.TensorSpec((chunk, width), tf.float32), widths)
    # One after the other: several at once would need the memory of several.
    outputs = tf.map_fn(function, _chunks(inputs, chunk), parallel_iterations=1, fn_output_signature=signature)
    return tf.nest.map_structure(lambda output: tf.reshape(output, (-1, output.shape[-1])), outputs)


def sum_gradients(
    embed: Callable[[Any], Any],
    token_ids: Any,
    upstream: Any,
    chunk: int,
    table: keras.Variable,
    others: Sequence[keras.Variable],
    static_shapes: bool = False,
) -> tuple[Any, list[Any]]:
    """The gradients of an encoder's weights, from those of the embeddings of all rows.

    Args:
        embed: From the token ids of a chunk to its embeddings.
        token_ids: int32 `(rows, length)`, nested in any way; `chunk` must divide `rows`.
        upstream: The gradients of the embeddings, float32 `(rows, dim)`, nested as these are.
        chunk: The number of rows in a chunk.
        table: The weights whose rows the token ids look up.
        others: The other weights that `embed` depends on.
        static_shapes: Add up all rows of the table instead of those that are looked up, whose
            number XLA cannot know.

    Returns:
        The gradient of the table, as `tf.IndexedSlices` that name each row that was looked up
        once, or, with `static_shapes`, as a tensor; and those of the other weights.
    """
    rows = None if static_shapes else _distinct(token_ids)
    summed_rows = table.shape[0] if rows is None else tf.size(rows)
    zeros = tf.zeros((summed_rows, table.shape[1])), [tf.zeros(variable.shape) for variable in others]

    def add_chunk(sums: tuple[Any, list[Any]], inputs: tuple[Any, Any]) -> tuple[Any, list[Any]]:
        ids, given = inputs
        with tf.GradientTape() as tape:
            embeddings = tf.nest.flatten(embed(ids))
        of_table, *of_others = tape.gradient(embeddings, [table, *others], tf.nest.flatten(given))
        places = of_table.indices if rows is None else tf.searchsorted(rows, tf.cast(of_table.indices, rows.dtype))
        return (
            tf.tensor_scatter_nd_add(sums[0], places[:, None], of_table.values),
            [total + gradient for total, gradient in zip(sums[1], of_others, strict=True)],
        )

    summed, of_others = tf.foldl(add_chunk, _chunks((token_ids, upstream), chunk), zeros, parallel_iterations=1)
    of_table = summed if rows is None else tf.IndexedSlices(summed, rows, tf.constant(tuple(table.shape)))
    return of_table, list(of_others)


def _distinct(token_ids: Any) -> Any:
    """The ids in rising order."""
    ids, _ = tf.unique(tf.concat([tf.reshape(ids, (-1,)) for ids in tf.nest.flatten(token_ids)], axis=0))
    return tf.sort(ids)


def _chunks(inputs: Any, chunk: int) -> Any:
    """Tensors `(rows, ...)` as `(rows / chunk, chunk, ...)`."""

    def split(tensor: Any) -> Any:
        rest = [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(tensor.shape)][1:]
        return tf.reshape(tensor, (-1, chunk, *rest))

    return tf.nest.map_structure(split, inputs)
