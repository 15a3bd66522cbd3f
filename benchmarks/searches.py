"""The searches that `benchmarks.neighbours` compares: from an array to search and k to a function of queries."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.retrieval import nearest_neighbours

Array = npt.NDArray[Any]
Found = tuple[Array, Array]  # indices and similarities, (queries, k)
Search = Callable[[Array], Found]


def ours(pool: Array, k: int, **options: Any) -> Search:
    """`lealla_tf.retrieval`."""
    return lambda queries: nearest_neighbours(queries, pool, k, **options)


def top_k_blocks(pool: Array, k: int) -> Search:
    """Blocks of the same size as ours, and `tf.math.top_k` of all their columns."""
    import tensorflow as tf

    @tf.function
    def step(queries: Any, block: Any, best: Any, indices: Any, offset: Any) -> Any:
        found = tf.math.top_k(tf.matmul(queries, block), k)
        best, place = tf.math.top_k(tf.concat([best, found.values], axis=1), k)
        return best, tf.gather(tf.concat([indices, found.indices + offset], axis=1), place, batch_dims=1)

    def search(queries: Array) -> Found:
        best = np.full((len(queries), k), -np.inf, np.float32)
        indices = np.zeros((len(queries), k), np.int32)
        for offset in range(0, len(pool), 9600):
            block = tf.constant(np.ascontiguousarray(pool[offset : offset + 9600].T))
            for start in range(0, len(queries), 512):
                part = slice(start, start + 512)
                result = step(tf.constant(queries[part]), block, best[part], indices[part], tf.constant(offset))
                best[part], indices[part] = (tensor.numpy() for tensor in result)
        return indices, best

    return search


def faiss_flat(pool: Array, k: int) -> Search:
    """The exact index of faiss, by inner product; filling it, a copy of the pool, takes no part in the time."""
    import faiss

    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    return lambda queries: index.search(queries, k)[::-1]


def numpy_blocks(pool: Array, k: int) -> Search:
    """Blocks of 4,096 x 4,096 products, and `np.argpartition` of each."""

    def search(queries: Array) -> Found:
        best = np.full((len(queries), k), -np.inf, np.float32)
        indices = np.zeros((len(queries), k), np.int64)
        for start in range(0, len(queries), 4096):
            part = slice(start, start + 4096)
            for offset in range(0, len(pool), 4096):
                products = queries[part] @ pool[offset : offset + 4096].T
                columns = np.argpartition(products, -min(k, products.shape[1]), axis=1)[:, -k:]
                values = np.concatenate([best[part], np.take_along_axis(products, columns, axis=1)], axis=1)
                columns = np.concatenate([indices[part], columns + offset], axis=1)
                order = np.argsort(-values, axis=1, kind="stable")[:, :k]
                best[part] = np.take_along_axis(values, order, axis=1)
                indices[part] = np.take_along_axis(columns, order, axis=1)
        return indices, best

    return search


SEARCHES: dict[str, Callable[[Array, int], Search]] = {
    "ours float32": functools.partial(ours, precision="float32"),
    "ours bfloat16": functools.partial(ours, precision="bfloat16"),
    "top_k blocks": top_k_blocks,
    "faiss flat": faiss_flat,
    "numpy blocks": numpy_blocks,
}
