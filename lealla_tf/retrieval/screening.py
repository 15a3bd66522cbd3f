"""Products in bfloat16 tell which few of a block have to be taken in full precision: exact, and faster.

A processor that multiplies bfloat16 itself does so several times as fast as float32.  Its products are off, but by no
more than can be said beforehand.  Write q' and p' for vectors rounded to bfloat16:

    |<q', p'> - <q, p>|  <=  |q' - q| |p'| + |q| |p' - p| + d 2^-22 |q| |p'|

The last term is what summing `d` products in float32 may add, taken generously; and the result is rounded once more.
So an element of the block whose product in bfloat16 is lower by more than this than the k-th best so far cannot be
among the k best, and the others, which are a few for each query, are multiplied again in float32.  Where there are
many, as in the first block, the k-th best is at least what the k-th best group of the block has, less the same bound.
"""

import math
from typing import Any, NamedTuple

from lealla_tf.retrieval.selection import above, by_query, group_maxima, largest, masked, merged

# Of all products of a block, those worth taking one by one: more would take as long as all together, and as much room.
_SINGLE = 1 / 512

# Of all groups of a block, those worth looking through for such products.
_GROUPS = 1 / 8

# What rounding to bfloat16 changes a number by, relative to it, and what a sum in float32 may be off by for each term.
_ROUNDING = 2.0**-8
_SUMMING = 2.0**-22

# Smaller numbers may be taken for 0.
_SMALLEST = 2.0**-126


class Screen(NamedTuple):
    """A block of the pool, and what its rounding may change."""

    rows: Any
    """float32 `(columns, dim)`, in the order of the columns."""
    rounded: Any
    """bfloat16 `(dim, columns)`."""
    norm: Any
    """The greatest length of a rounded row."""
    change: Any
    """The greatest length of what rounding took from a row or added to it."""


def screen(rows: Any) -> Screen:
    """The screen of a block, float32 `(columns, dim)`."""
    import tensorflow as tf

    rows = tf.constant(rows)
    rounded = tf.cast(rows, tf.bfloat16)
    widened = tf.cast(rounded, tf.float32)
    norm, change = (tf.reduce_max(_length(part)) for part in (widened, widened - rows))
    return Screen(rows, tf.transpose(rounded), norm, change)


def update_best_screened(
    queries: Any, block: Screen, best: Any, indices: Any, offset: Any, num_rows: Any, width: int
) -> tuple[Any, Any]:
    """What `lealla_tf.retrieval.selection.update_best` gives, by fewer products in float32; see there.

    `queries` are float32, and `block` is of rows in the order of `update_best`'s columns.
    """
    import tensorflow as tf

    k = best.shape[1]
    rounded = tf.cast(queries, tf.bfloat16)
    products = masked(tf.matmul(rounded, block.rounded), num_rows, width)
    maxima = tf.cast(group_maxima(products, width), tf.float32)
    error = _error(queries, tf.cast(rounded, tf.float32), block)

    def are_few(threshold: Any) -> Any:
        count = tf.math.count_nonzero(maxima > threshold[:, None], dtype=tf.int32)
        return count <= int(_GROUPS * maxima.shape.num_elements())

    def of_groups() -> Any:
        least = _least(tf.math.top_k(maxima, k, sorted=True).values[:, -1], error)
        return tf.maximum(threshold, _threshold(least, error))

    threshold = _threshold(best[:, -1], error)
    threshold = tf.cond(are_few(threshold), lambda: threshold, of_groups)

    # Both ways give sums of the same products in the same order, so that equal rows have equal products.
    def all_together() -> tuple[Any, Any]:
        products = masked(tf.matmul(queries, block.rows, transpose_b=True), num_rows, width)
        values, rows = largest(products, group_maxima(products, width), k, width)
        query = tf.repeat(tf.range(best.shape[0], dtype=tf.int64), k)
        again = tf.reshape(_products(queries, block.rows, query, tf.reshape(rows, (-1,)), width), rows.shape)
        return tf.where(tf.math.is_inf(values), values, again), rows

    def one_by_one() -> tuple[Any, Any]:
        query, rows, _ = above(products, maxima, threshold, width)

        def take() -> tuple[Any, Any]:
            return by_query(query, rows, _products(queries, block.rows, query, rows, width), best.shape[0])

        return tf.cond(tf.size(query) <= int(_SINGLE * products.shape.num_elements()), take, all_together)

    values, rows = tf.cond(are_few(threshold), one_by_one, all_together)
    return merged(best, indices, values, rows + offset)


def _error(queries: Any, rounded: Any, block: Screen) -> Any:
    """What the product of a query with a row of the block may be off by, but for its own rounding: `(queries,)`."""
    import tensorflow as tf

    norm, change = _length(queries), _length(rounded - queries)
    error = change * block.norm + norm * block.change + queries.shape[1] * _SUMMING * norm * block.norm
    # Products with zeros are exact.
    return tf.where(norm > 0, error + _SMALLEST, 0)


def _threshold(products: Any, error: Any) -> Any:
    """What a product in bfloat16 is greater than if the product itself is greater than this: `(queries,)`."""
    import tensorflow as tf

    lowest = products - error
    return tf.where(tf.equal(error, 0), products, _known(lowest - 2 * _ROUNDING * tf.abs(lowest)))


def _least(rough: Any, error: Any) -> Any:
    """What a product is greater than if it is this in bfloat16: `(queries,)`."""
    import tensorflow as tf

    return _known(rough - 2 * _ROUNDING * tf.abs(rough) - error - _SMALLEST)


def _known(numbers: Any) -> Any:
    """-inf where numbers are so large that nothing can be said."""
    import tensorflow as tf

    return tf.where(tf.math.is_nan(numbers), -math.inf, numbers)


def _length(vectors: Any) -> Any:
    """The length of each, rounded up; in float64, in which no square of a float32 is too large or too small."""
    import tensorflow as tf

    squares = tf.square(tf.cast(vectors, tf.float64))
    return tf.cast(tf.sqrt(tf.reduce_sum(squares, axis=1)) * (1 + 2.0**-22), tf.float32)


def _products(queries: Any, rows: Any, query: Any, row: Any, width: int) -> Any:
    """The products of queries with rows of the block, one for each of `query` and `row`."""
    import tensorflow as tf

    column = row % width * (rows.shape[0] // width) + row // width
    return tf.reduce_sum(tf.gather(queries, query) * tf.gather(rows, column), axis=1)
