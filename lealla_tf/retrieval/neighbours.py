"""Nearest neighbours by inner product, exact or approximate, in bounded memory."""

from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from lealla_tf.processor import has_bfloat16
from lealla_tf.retrieval.approximate import search_index
from lealla_tf.retrieval.blockwise import BLOCK, Progress, search_blocks
from lealla_tf.retrieval.vectors import Vectors, check_vectors

Method = Literal["exact", "ivf", "hnsw"]
Precision = Literal["float32", "bfloat16"]


class Neighbours(NamedTuple):
    """Rows of a pool that are nearest to rows of queries, the nearest first.

    Args:
        indices: int64 of shape `(queries, k)`, rows of the pool.
        similarities: Inner products of shape `(queries, k)`, float32, or float64 for arrays of that type.
    """

    indices: npt.NDArray[np.int64]
    similarities: Vectors


def nearest_neighbours(
    queries: Vectors,
    pool: Vectors,
    k: int,
    *,
    method: Method = "exact",
    effort: int | None = None,
    precision: Precision | None = None,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Neighbours:
    """The `k` rows of `pool` with the largest inner products, for each row of `queries`.

    They are the nearest by cosine if the rows have unit length.  Of equal products the lowest
    index comes first.  The arrays are read block by block, so they may be memory-mapped: besides
    the result, memory holds two blocks of the pool and, twice for each core, the products of 512 queries with one.
    Products are taken in float32, or in float64 if an array is of that type; neighbours whose
    products differ by less than the rounding of that type are not told apart reliably.

    Approximate methods are faiss's, and an extra to install.  Their index is held in memory, a
    copy of the pool in float32 and more; it pays where the pool has millions of rows.

    Args:
        queries: Real numbers of shape `(queries, dim)`.
        pool: Real numbers of shape `(pool, dim)`, at least `k` rows.
        k: How many.
        method: `"exact"` compares all with all; `"ivf"` the nearest of about 4 sqrt(pool) lists
            that k-means has found; `"hnsw"` walks a graph.  The approximate ones multiply in
            float32, order equal products in no certain way, and where they find fewer than `k`
            rows, the last indices are -1 and their similarities -inf.
        effort: For approximate methods: the lists looked into (32 unless given), or the rows kept
            while walking (128).  More finds more, and takes longer.
        precision: For exact search: `"float32"` takes all products in it.  `"bfloat16"` takes them in that,
            and in float32 the few that could be among the best for all that its rounding allows to say: the
            neighbours are the same.  Unless given, it is bfloat16 on processors that multiply that themselves.
        block: Rows of `pool` that are compared at a time, rounded up to a multiple of 64.
        progress: Called with the work that is done and with all the work: products of an exact search,
            rows added and searched for of an approximate one.

    Raises:
        ValueError: if an array is not 2-D, has no row or no column, is not of real numbers or
            holds a value that is not finite, if the widths differ, if `k`, `block` or `effort` is
            less than 1, if the pool has fewer than `k` rows, if `method` or `precision` is unknown,
            or if an option does not belong to the method.
        UsageError: if the method needs faiss, which is not installed.

    Example:
        >>> import numpy as np
        >>> found = nearest_neighbours(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [0.6, 0.8], [0.8, 0.6]]), k=2)
        >>> found.indices.tolist(), found.similarities.tolist()
        ([[2, 1]], [[0.8, 0.6]])
    """
    query_rows, pool_rows = check_vectors(queries=queries, pool=pool)
    _check_options(method, effort, precision, block)
    if not 1 <= k <= len(pool):
        raise ValueError(f"`k` must be at least 1 and at most the rows of `pool`, {len(pool):,}. Received: k={k}.")
    if method != "exact":
        found = search_index(query_rows, pool_rows, k, method=method, effort=effort, block=block, progress=progress)
        return Neighbours(*found)
    screened = precision == "bfloat16" or (precision is None and has_bfloat16())
    return Neighbours(*search_blocks(query_rows, pool_rows, k, screened=screened, block=block, progress=progress))


def nearest(queries: Vectors, pool: Vectors, block: int = BLOCK) -> npt.NDArray[np.int64]:
    """The row of `pool` with the largest inner product, for each row of `queries`.

        nearest(i) = argmax_j <queries_i, pool_j>

    Args:
        queries: Real numbers of shape `(queries, dim)`.
        pool: Real numbers of shape `(pool, dim)`.
        block: As in `nearest_neighbours`.

    Returns:
        int64 of shape `(queries,)`, indices into `pool`.

    Raises:
        ValueError: as in `nearest_neighbours`.
    """
    return nearest_neighbours(queries, pool, 1, block=block).indices[:, 0]


def precision_at_1(source: Vectors, target: Vectors) -> tuple[float, float]:
    """Share of rows whose nearest neighbour on the other side is the row aligned with them.

        source_to_target = (1/n) |{i : argmax_j <source_i, target_j> = i}|
        target_to_source = (1/n) |{i : argmax_j <target_i, source_j> = i}|

    A neighbour that equals the aligned row but stands at another index counts as an error,
    as it does in the published numbers of Tatoeba and UN.

    Args:
        source: Real numbers of shape `(pairs, dim)`.
        target: Real numbers of shape `(pairs, dim)`; row i translates row i of `source`.

    Returns:
        `(source_to_target, target_to_source)`, each in [0, 1].

    Raises:
        ValueError: if the shapes differ, and as in `nearest`.

    Reference: LEALLA (arXiv 2302.08387), section 4.1; LaBSE (arXiv 2007.01852), section 4.
    """
    sources, targets = check_vectors(source=source, target=target)
    if len(sources) != len(targets):
        raise ValueError(
            "`source` and `target` must be aligned row by row. "
            f"Received: {len(sources)} rows of `source` and {len(targets)} of `target`."
        )
    aligned = np.arange(len(sources))
    screened = has_bfloat16()
    forward = np.mean(search_blocks(sources, targets, 1, screened=screened)[0][:, 0] == aligned)
    backward = np.mean(search_blocks(targets, sources, 1, screened=screened)[0][:, 0] == aligned)
    return float(forward), float(backward)


def _check_options(method: str, effort: int | None, precision: str | None, block: int) -> None:
    """Raises `ValueError` if an option has no such value or does not belong to `method`."""
    if method not in get_args(Method):
        raise ValueError(f"`method` must be one of {', '.join(get_args(Method))}. Received: {method!r}.")
    if precision not in (None, *get_args(Precision)):
        raise ValueError(f"`precision` must be one of {', '.join(get_args(Precision))}. Received: {precision!r}.")
    if block < 1:
        raise ValueError(f"`block` must be at least 1. Received: block={block}.")
    if effort is not None and (method == "exact" or effort < 1):
        raise ValueError(f"`effort` must be at least 1, and is of approximate methods. Received: {effort}, {method}.")
    if precision is not None and method != "exact":
        raise ValueError(f"`precision` is a choice of exact search alone. Received: {precision}, {method}.")
