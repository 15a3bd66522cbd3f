"""Losses of all similarities of a batch, with never more than a block of their rows in memory."""

from collections.abc import Callable
from typing import Any

from keras import ops

from lealla_tf.losses.additive_margin import duplicates, margin_logits, own_pairs, similarities

RowLoss = Callable[[Any, Any], tuple[Any, Any]]
"""From similarities `(block, batch)` of the rows `(block,)` to the loss of each row and its derivatives."""


def sum_by_blocks(queries: Any, keys: Any, row_loss: RowLoss, block: int) -> Any:
    """sum_i loss_i(x_i Y^T), without the matrix X Y^T.

    Blocks of rows are gone through one after the other.  With the loss of a block its
    gradient is computed at once: D Y for the queries of the block, and D^T X, summed over the
    blocks, for the keys, where D are the derivatives by the block's similarities.  The result
    is differentiable with respect to both, once.

    Args:
        queries: X, `(rows, dim)`.
        keys: Y, `(batch, dim)`.
        row_loss: The loss of each row from its similarities, and its derivatives by them.
        block: The number of rows in a block; it need not divide `rows`.

    Returns:
        A float32 scalar.
    """

    @ops.custom_gradient
    def total(queries: Any, keys: Any) -> Any:
        value, of_queries, of_keys = _accumulate(queries, keys, row_loss, block)

        def gradient(upstream: Any) -> tuple[Any, Any]:
            return upstream * of_queries, upstream * of_keys

        return value, gradient

    return total(ops.cast(queries, "float32"), ops.cast(keys, "float32"))


def blockwise_additive_margin(
    queries: Any,
    keys: Any,
    *,
    margin: float,
    scale: float,
    block: int,
    first_row: Any = 0,
    fingerprints: tuple[Any, Any] | None = None,
) -> Any:
    """The sum of `additive_margin_softmax` over the queries.

    Args:
        queries: x, `(rows, dim)`, unit length; rows `first_row` and on of the batch.
        keys: y, `(batch, dim)`, unit length.
        margin: m in [0, 1).
        scale: s.
        block: The number of rows in a block.
        first_row: The batch row of the first query; an integer or an integer tensor.
        fingerprints: Integers `(batch,)` of the source and of the target texts, from which
            `duplicates` tells what is excluded; or `None`.

    Returns:
        A float32 scalar.
    """
    batch = ops.shape(keys)[0]

    def row_loss(cosines: Any, rows: Any) -> tuple[Any, Any]:
        rows = first_row + rows
        own = own_pairs(rows, batch)
        excluded = None if fingerprints is None else duplicates(*fingerprints, rows)
        logits = margin_logits(cosines, own, margin, scale, excluded)
        normalizer = ops.logsumexp(logits, axis=-1, keepdims=True)
        positive = ops.sum(ops.where(own, logits, 0.0), axis=-1)
        derivatives = scale * (ops.exp(logits - normalizer) - ops.cast(own, "float32"))
        return normalizer[:, 0] - positive, derivatives

    return sum_by_blocks(queries, keys, row_loss, block)


def blockwise_logit_distillation(
    teacher_queries: Any, teacher_keys: Any, queries: Any, keys: Any, *, temperature: float, block: int
) -> Any:
    """The sum of `logit_distillation` over the rows.

    Args:
        teacher_queries: X, `(rows, teacher_dim)`, unit length.
        teacher_keys: Y, `(batch, teacher_dim)`, unit length.
        queries: x, `(rows, dim)`, unit length.
        keys: y, `(batch, dim)`, unit length.
        temperature: T, which multiplies the cosines.
        block: The number of rows in a block.

    Returns:
        A float32 scalar, without a gradient with respect to the teacher.
    """
    batch = ops.cast(ops.shape(keys)[0], "float32")

    def row_loss(cosines: Any, rows: Any) -> tuple[Any, Any]:
        difference = cosines - similarities(ops.take(teacher_queries, rows, axis=0), teacher_keys)
        losses = temperature**2 * ops.mean(ops.square(difference), axis=-1)
        return losses, 2 * temperature**2 / batch * difference

    return sum_by_blocks(queries, keys, row_loss, block)


def _accumulate(queries: Any, keys: Any, row_loss: RowLoss, block: int) -> tuple[Any, Any, Any]:
    """The sum, and its gradients with respect to queries and keys."""
    count, dim = ops.shape(queries)
    num_blocks = (count + block - 1) // block

    def add_block(number: Any, sums: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        value, of_queries, of_keys = sums
        places = number * block + ops.arange(block)
        # The last block may be filled up with the last row again, which counts nothing there.
        counts = ops.cast(places < count, "float32")
        rows = ops.minimum(places, count - 1)
        own = ops.take(queries, rows, axis=0)
        losses, derivatives = row_loss(similarities(own, keys), rows)
        derivatives = derivatives * counts[:, None]
        of_queries = ops.scatter_update(of_queries, places[:, None], ops.matmul(derivatives, keys))
        of_keys = of_keys + ops.matmul(ops.transpose(derivatives), own)
        return value + ops.sum(losses * counts), of_queries, of_keys

    start = (ops.zeros(()), ops.zeros((num_blocks * block, dim)), ops.zeros_like(keys))
    value, of_queries, of_keys = ops.fori_loop(0, num_blocks, add_block, start)
    return value, of_queries[:count], of_keys
