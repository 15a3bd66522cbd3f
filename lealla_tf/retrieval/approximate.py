"""Approximate nearest neighbours with faiss: an index of the pool, of which a search sees a part."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lealla_tf.errors import UsageError
from lealla_tf.retrieval.blockwise import Progress
from lealla_tf.retrieval.vectors import Rows, Vectors

# How much of an index is searched unless the caller says: lists of "ivf", candidates of "hnsw".
_EFFORT = {"ivf": 32, "hnsw": 128}

# Links of a vertex of the graph, and candidates for them while it is built: faiss's own choices.
_LINKS = 32
_CANDIDATES = 40

# A list of fewer vectors than this is badly estimated, says faiss; more than that many times as many for each
# list improve it little.
_LEAST_A_LIST = 39
_LEARNT_FROM_A_LIST = 64


def search_index(
    queries: Rows, pool: Rows, k: int, *, method: str, effort: int | None, block: int, progress: Progress | None
) -> tuple[npt.NDArray[np.int64], Vectors]:
    """About the `k` rows of `pool` of the largest products with each row of `queries`, the largest first.

    Args:
        queries: What is looked for.
        pool: Where it is looked for; the index holds a copy in float32, and for "hnsw" 256 bytes a row more.
        k: How many.
        method: `"ivf"` looks into the `effort` lists whose centres are nearest, of about 4 sqrt(rows)
            lists that k-means has found; `"hnsw"` walks a graph, keeping the best `effort` rows it met.
        effort: More finds more, and takes longer; 32 lists or 128 rows unless given.
        block: Rows that are read at a time.
        progress: Called with the rows added and searched for so far, and those of both arrays.

    Returns:
        `(indices, products)`, both of shape `(queries, k)`. Where fewer are found, the index is -1 and the
        product -inf.

    Raises:
        UsageError: if faiss is not installed.
    """
    pool = dataclasses.replace(pool, dtype=np.dtype(np.float32))
    queries = dataclasses.replace(queries, dtype=np.dtype(np.float32))
    total = len(pool) + len(queries)
    effort = effort or _EFFORT[method]
    index = _inverted_lists(pool, effort, block) if method == "ivf" else _graph(pool, max(effort, k))
    for start, rows in pool.blocks(block):
        index.add(np.ascontiguousarray(rows))
        if progress is not None:
            progress(start + len(rows), total)
    indices = np.empty((len(queries), k), np.int64)
    products = np.empty((len(queries), k), np.float32)
    for start, rows in queries.blocks(block):
        part = slice(start, start + len(rows))
        products[part], indices[part] = index.search(np.ascontiguousarray(rows), k)
        if progress is not None:
            progress(len(pool) + start + len(rows), total)
    products[indices < 0] = -np.inf
    return indices, products


def _inverted_lists(pool: Rows, effort: int, block: int) -> Any:
    """An empty index of lists, their centres learnt from rows spread evenly over the pool."""
    faiss = _faiss()
    lists = max(1, min(round(4 * math.sqrt(len(pool))), len(pool) // _LEAST_A_LIST))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(pool.dim), pool.dim, lists, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = min(effort, lists)
    step = max(1, len(pool) // (_LEARNT_FROM_A_LIST * lists))
    index.train(np.concatenate([rows[-start % step :: step] for start, rows in pool.blocks(block)]))
    return index


def _graph(pool: Rows, effort: int) -> Any:
    """An empty index of a graph."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(pool.dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _CANDIDATES
    index.hnsw.efSearch = effort
    return index


def _faiss() -> Any:
    """The library, which is an extra."""
    try:
        import faiss
    except ImportError as error:
        raise UsageError(
            "An approximate search needs faiss, which is not installed: pip install 'lealla-tf[mining]'."
        ) from error
    return faiss
