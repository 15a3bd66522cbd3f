"""The k largest inner products of a block, in TensorFlow: which columns, without sorting them all.

Columns form groups, and the maximum of every group is taken: one pass over the products.  What it
leaves is looked at again only where it can matter, in the groups whose maximum is greater than the
k-th largest product so far, or, where these are too many, in the k groups of the largest maxima.
Nothing is lost by either: an element of another group is no greater than k that are known.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

# The most columns of a group.
_WIDEST = 64


def group_width(columns: int, k: int) -> int:
    """The power of two, up to 64, for which both looks at a row of products cost about the same.

    The first chooses among `columns / width` groups, the second among `k * width` products.
    There are at least `k` groups if there are `k` columns.
    """
    return min(_WIDEST, 2 ** round(math.log2(max(1, math.sqrt(columns / k)))))


def update_best(
    queries: Any, pool: Any, best: Any, indices: Any, offset: Any, num_rows: Any, width: int
) -> tuple[Any, Any]:
    """The largest products so far and where they are, after one more block of the pool.

    Args:
        queries: `(queries, dim)`.
        pool: `(dim, width * groups)`: column `j * groups + g` is row `g * width + j` of the block, so
            that a group is of neighbouring rows, and maxima of groups are taken of whole vectors.
        best: `(queries, k)`, the largest products so far from the largest, -inf before the first block.
        indices: `(queries, k)`, int64, where they are in the pool; all lower than `offset`.
        offset: Where the block begins in the pool.
        num_rows: How many rows of the block are of the pool, at least `k` of those of the first block.
        width: Rows of a group.

    Returns:
        `best` and `indices`; of equal products the lowest index comes first.
    """
    import tensorflow as tf

    products = masked(tf.matmul(queries, pool), num_rows, width)
    maxima = tf.cast(group_maxima(products, width), best.dtype)

    def greater() -> tuple[Any, Any]:
        query, rows, values = above(products, maxima, best[:, -1], width)
        return by_query(query, rows, values, best.shape[0])

    # Equal products of this block come after those of earlier ones, so that only greater ones matter.
    count = tf.math.count_nonzero(maxima > best[:, -1:], dtype=tf.int32)
    values, rows = tf.cond(count < tf.size(best), greater, lambda: largest(products, maxima, best.shape[1], width))
    return merged(best, indices, values, rows + offset)


@functools.cache
def compiled(update: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """`update_best`, or another such function, as a graph, one for each shape."""
    import tensorflow as tf

    function: Callable[..., tuple[Any, Any]] = tf.function(update)
    return function


def masked(products: Any, num_rows: Any, width: int) -> Any:
    """-inf in the columns of rows from `num_rows` on."""
    import tensorflow as tf

    def mask() -> Any:
        columns = tf.range(products.shape[1])
        groups = products.shape[1] // width
        rows = columns % groups * width + columns // groups
        return tf.where(rows < num_rows, products, tf.constant(-math.inf, products.dtype))

    return tf.cond(num_rows < products.shape[1], mask, lambda: products)


def group_maxima(products: Any, width: int) -> Any:
    """The maximum of each group, `(queries, groups)`; pooling takes half the time of `tf.reduce_max`."""
    import tensorflow as tf

    groups = products.shape[1] // width
    products = tf.reshape(products, (-1, width, 1, groups))
    return tf.reshape(tf.nn.max_pool2d(products, (width, 1), (width, 1), "VALID"), (-1, groups))


def above(products: Any, maxima: Any, threshold: Any, width: int) -> tuple[Any, Any, Any]:
    """Products greater than the threshold of their query.

    Args:
        products: `(queries, width * groups)`.
        maxima: `(queries, groups)`, those of the groups.
        threshold: `(queries,)`, of the type of `maxima`.
        width: Rows of a group.

    Returns:
        Queries and rows of the block, int64, in this order, and the products.
    """
    import tensorflow as tf

    groups = maxima.shape[1]
    query, group = tf.unstack(tf.where(maxima > threshold[:, None]), axis=1)
    place = (query * width * groups + group)[:, None] + tf.range(width, dtype=tf.int64) * groups
    values = tf.cast(tf.gather(tf.reshape(products, (-1,)), place), threshold.dtype)
    found = tf.where(values > tf.gather(threshold, query)[:, None])
    rows = tf.gather(group * width, found[:, 0]) + found[:, 1]
    return tf.gather(query, found[:, 0]), rows, tf.gather_nd(values, found)


def by_query(query: Any, rows: Any, values: Any, queries: int) -> tuple[Any, Any]:
    """Products and rows, listed by query, as tables `(queries, the most that a query has)`, -inf and 0 beyond."""
    import tensorflow as tf

    ragged = [tf.RaggedTensor.from_value_rowids(part, query, queries, validate=False) for part in (values, rows)]
    return ragged[0].to_tensor(-math.inf), ragged[1].to_tensor(0)


def largest(products: Any, maxima: Any, k: int, width: int) -> tuple[Any, Any]:
    """The `k` largest products of each query and their rows of the block; of equal ones the lowest rows."""
    import tensorflow as tf

    products = tf.reshape(products, (-1, width, maxima.shape[1]))
    # By index, not by maximum: of equal products that which comes first is found first.
    groups = tf.sort(tf.math.top_k(maxima, k, sorted=False).indices, axis=1)
    found = tf.transpose(tf.gather(products, groups, axis=2, batch_dims=1), (0, 2, 1))
    found = tf.math.top_k(tf.reshape(found, (-1, k * width)), k)
    rows = tf.gather(groups, found.indices // width, batch_dims=1) * width + found.indices % width
    return tf.cast(found.values, maxima.dtype), tf.cast(rows, tf.int64)


def merged(best: Any, indices: Any, values: Any, rows: Any) -> tuple[Any, Any]:
    """The best products and where they are, of those so far and of those that a block adds."""
    import tensorflow as tf

    best, place = tf.math.top_k(tf.concat([best, values], axis=1), best.shape[1])
    return best, tf.gather(tf.concat([indices, rows], axis=1), place, batch_dims=1)
