"""Exact nearest neighbours by inner products, a block of them at a time, with TensorFlow."""

import contextlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.processor import num_cores
from lealla_tf.retrieval.screening import screen, update_best_screened
from lealla_tf.retrieval.selection import compiled, group_width, update_best
from lealla_tf.retrieval.vectors import Rows, Vectors

Progress = Callable[[int, int], None]
"""Called with the work that is done and with all the work, in a unit of the search's own."""

# Rows of the pool in a block.  512 x 9,600 products are 19 MiB in float32, which stay in the last cache.
BLOCK = 9600

# Rows of the queries in a block.
_QUERIES = 512

# A thread waits now and then: for the slowest part of an operator, which TensorFlow shares out among threads of its
# own, or for a thread that runs Python. With two for each of two cores a search takes a tenth to a sixth less time than
# with one.
_THREADS_PER_CORE = 2

# Matrix products are taken in tiles and may be rounded differently in a tile that is not full, so that of two
# equal rows the second could win by an ulp.  Blocks of these multiples consist of full tiles.
_TILE = 64
_QUERY_TILE = 16

# A graph takes 0.1 s to build, and 6 ms less for a block: measured on one core of an AMD Zen 5.
_WORTH_COMPILING = 16


def search_blocks(
    queries: Rows,
    pool: Rows,
    k: int,
    *,
    screened: bool = False,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The `k` rows of `pool` of the largest products with each row of `queries`, the largest first.

    Of equal products the lowest index comes first.  Every block of the pool is read once, the
    queries as often as there are blocks of the pool.

    Args:
        queries: What is looked for.
        pool: Where it is looked for, at least `k` rows.
        k: How many.
        screened: Whether bfloat16 is to tell which products need to be taken, if there are blocks enough
            and the arrays are of float32.  What is found is the same.
        block: Rows of the pool in a block, rounded up to a multiple of 64; never fewer than `k`.
        progress: Called with the products taken and those to take.

    Returns:
        `(indices, products)`, both of shape `(queries, k)`; the products have the type of `queries`.
    """
    # Blocks of one size, so that the last is not mostly empty.
    columns = _multiple(max(k, math.ceil(len(pool) / math.ceil(len(pool) / block))), _TILE)
    height = _multiple(min(_QUERIES, len(queries)), _QUERY_TILE)
    starts = range(0, len(queries), height)
    is_long = len(starts) * math.ceil(len(pool) / columns) > _WORTH_COMPILING
    screened = screened and is_long and queries.dtype == np.float32
    update = update_best_screened if screened else update_best
    best = _Best(queries, k, height, group_width(columns, k), compiled(update) if is_long else update)
    threads = ThreadPoolExecutor(_THREADS_PER_CORE * num_cores(), thread_name_prefix="search")
    looks: list[Future[int]] = []
    done = 0

    def finish(looks: list[Future[int]]) -> None:
        nonlocal done
        for look in looks:
            done += look.result()
            if progress is not None:
                progress(done, len(pool) * len(queries))

    try:
        with _full_precision():
            for offset, rows in pool.blocks(columns):
                # Made while the threads are still at the block before.
                candidates = _candidates(rows, columns, best.width, screened)
                earlier, looks = looks, []
                for number, start in enumerate(starts):
                    after = earlier[number] if earlier else None
                    looks.append(threads.submit(best.look, start, candidates, offset, len(rows), after))
                finish(earlier)
            finish(looks)
    finally:
        threads.shutdown(cancel_futures=True)
    return best.indices, best.products


class _Best:
    """The best rows of the pool so far, for all queries."""

    def __init__(self, queries: Rows, k: int, height: int, width: int, update: Callable[..., Any]) -> None:
        self.products = np.full((len(queries), k), -np.inf, queries.dtype)
        self.indices = np.zeros((len(queries), k), np.int64)
        self.width = width
        self._queries, self._height, self._update = queries, height, update

    def look(self, start: int, candidates: Any, offset: int, count: int, after: "Future[int] | None") -> int:
        """Looks through a block of `count` rows for the queries from `start` on, and returns how many products that is.

        `after` is the same for the block before, begun earlier.
        """
        import tensorflow as tf

        queries = self._queries.read(start, start + self._height)
        if after is not None:
            after.result()
        part = slice(start, start + len(queries))
        found = self._update(
            tf.constant(_padded(queries, self._height)),
            candidates,
            tf.constant(_padded(self.products[part], self._height)),
            tf.constant(_padded(self.indices[part], self._height)),
            tf.constant(offset, tf.int64),
            tf.constant(count, tf.int32),
            self.width,
        )
        self.products[part], self.indices[part] = (tensor.numpy()[: len(queries)] for tensor in found)
        return count * len(queries)


def _candidates(rows: Vectors, columns: int, width: int, screened: bool) -> Any:
    """Rows of the pool, and zeros, as `update_best` or `update_best_screened` expects them."""
    import tensorflow as tf

    arranged = _padded(rows, columns).reshape(-1, width, rows.shape[1]).transpose(1, 0, 2).reshape(columns, -1)
    return screen(arranged) if screened else tf.transpose(arranged)


def _padded(rows: Vectors, count: int) -> Vectors:
    """`count` rows, the last of them zeros."""
    if len(rows) == count:
        return rows
    return np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]), rows.dtype)])


def _multiple(count: int, size: int) -> int:
    """The multiple of `size` that is next from above."""
    return count + -count % size


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """GPUs would round what they multiply to ten bits."""
    import tensorflow as tf

    experimental = tf.config.experimental
    before = experimental.tensor_float_32_execution_enabled()
    experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        experimental.enable_tensor_float_32_execution(before)
