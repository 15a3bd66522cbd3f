"""Exact nearest neighbours by inner product, in blocks, so that memory stays bounded."""

from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# 4096 x 4096 inner products are 64 MiB in float32.
_BLOCK = 4096

# BLAS multiplies in tiles and rounds differently in a tile that is not full, so that of two equal rows
# the second could win by an ulp.  Blocks of this multiple consist of full tiles.
_TILE = 64


def nearest(queries: Vectors, pool: Vectors, block: int = _BLOCK) -> Indices:
    """The row of `pool` with the largest inner product, for each row of `queries`.

        nearest(i) = argmax_j <queries_i, pool_j>

    which is the nearest by cosine if the rows have unit length.  Of equal products the
    lowest index wins.  No more than `block` x `block` products exist at a time, and the
    arrays are read block by block, so they may be memory-mapped.  Products are taken in
    float32, or in float64 if an array is of that type; neighbours whose products differ by
    less than the rounding of that type are not told apart reliably.

    Args:
        queries: floats of shape `(queries, dim)`.
        pool: floats of shape `(pool, dim)`.
        block: rows of either array that are compared at a time, rounded up to a multiple of 64.

    Returns:
        int64 of shape `(queries,)`, indices into `pool`.

    Raises:
        ValueError: if an array is not 2-D, has no row or no column, is not of real numbers
            or holds a value that is not finite, if the widths differ, or if `block` < 1.
    """
    if block < 1:
        raise ValueError(f"`block` must be at least 1. Received: block={block}.")
    block += -block % _TILE
    queries, pool, dtype = _checked(block, queries=queries, pool=pool)
    return _search(queries, pool, block, dtype)


def precision_at_1(source: Vectors, target: Vectors) -> tuple[float, float]:
    """Share of rows whose nearest neighbour on the other side is the row aligned with them.

        source_to_target = (1/n) |{i : argmax_j <source_i, target_j> = i}|
        target_to_source = (1/n) |{i : argmax_j <target_i, source_j> = i}|

    A neighbour that equals the aligned row but stands at another index counts as an error,
    as it does in the published numbers of Tatoeba and UN.

    Args:
        source: floats of shape `(pairs, dim)`.
        target: floats of shape `(pairs, dim)`; row i translates row i of `source`.

    Returns:
        `(source_to_target, target_to_source)`, each in [0, 1].

    Raises:
        ValueError: if the shapes differ, and as in `nearest`.

    Reference: LEALLA (arXiv 2302.08387), section 4.1; LaBSE (arXiv 2007.01852), section 4.
    """
    source, target, dtype = _checked(_BLOCK, source=source, target=target)
    if len(source) != len(target):
        raise ValueError(
            "`source` and `target` must be aligned row by row. "
            f"Received: {len(source)} rows of `source` and {len(target)} of `target`."
        )
    aligned = np.arange(len(source))
    forward = np.mean(_search(source, target, _BLOCK, dtype) == aligned)
    backward = np.mean(_search(target, source, _BLOCK, dtype) == aligned)
    return float(forward), float(backward)


def _search(queries: Vectors, pool: Vectors, block: int, dtype: npt.DTypeLike) -> Indices:
    """`nearest` for arrays that have been checked."""
    result = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), block):
        result[start : start + block] = _nearest_to_block(queries[start : start + block], pool, block, dtype)
    return result


def _nearest_to_block(queries: Vectors, pool: Vectors, block: int, dtype: npt.DTypeLike) -> Indices:
    """`nearest` for queries that fit one block."""
    queries = queries.astype(dtype, copy=False)
    rows = np.arange(len(queries))
    best = np.zeros(len(queries), np.int64)
    best_product = np.full(len(queries), -np.inf, dtype)
    for start in range(0, len(pool), block):
        # The last block is moved back to be as large as the others, as rounding depends on shape too.
        start = max(0, min(start, len(pool) - block))
        products = _products(queries, pool[start : start + block].astype(dtype, copy=False))
        index = products.argmax(axis=1)
        product = products[rows, index]
        better = product > best_product
        best[better] = index[better] + start
        best_product[better] = product[better]
    return best


def _products(queries: Vectors, pool: Vectors) -> Vectors:
    """Inner products of shape `(queries, pool)`, in which equal rows of `pool` have equal columns."""
    if missing := -len(pool) % _TILE:
        pool = np.concatenate([pool, np.zeros((missing, pool.shape[1]), pool.dtype)])
    return (queries @ pool.T)[:, : pool.shape[0] - missing]


def _checked(block: int, **vectors: Vectors) -> tuple[Vectors, Vectors, npt.DTypeLike]:
    """The two arrays and the type to multiply them in; `ValueError` calls them by their keywords."""
    arrays = {name: np.asarray(value) for name, value in vectors.items()}
    for name, array in arrays.items():
        if array.ndim != 2:
            raise ValueError(f"`{name}` must be 2-D, of shape (rows, dim). Received: shape {array.shape}.")
        if 0 in array.shape:
            raise ValueError(f"`{name}` must not be empty. Received: shape {array.shape}.")
        if not _is_real(array.dtype):
            raise ValueError(f"`{name}` must hold real numbers. Received: type {array.dtype}.")
    (first_name, first), (second_name, second) = arrays.items()
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"`{first_name}` and `{second_name}` must have rows of the same width. "
            f"Received: shapes {first.shape} and {second.shape}."
        )
    for name, array in arrays.items():
        _check_finite(name, array, block)
    return first, second, np.result_type(np.float32, first.dtype, second.dtype)


def _is_real(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type become float32 or float64: integers and bfloat16 do."""
    try:
        return np.result_type(np.float32, dtype).kind == "f"
    except TypeError:  # what has no common type with a number, such as dates
        return False


def _check_finite(name: str, vectors: Vectors, block: int) -> None:
    """Raises `ValueError` naming the first row with a NaN or an infinity: argmax would choose it."""
    for start in range(0, len(vectors), block):
        finite = np.isfinite(vectors[start : start + block]).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            raise ValueError(f"`{name}` must hold finite numbers. Received: NaN or infinity in row {row}.")
