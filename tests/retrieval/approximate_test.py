"""Approximate search against exact search, and where it has to say that it cannot."""

import sys

import numpy as np
import pytest

from lealla_tf.errors import UsageError
from lealla_tf.retrieval import nearest_neighbours

# faiss is wrapped by SWIG, whose types Python 3.12 wants to have a module.
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")


def clusters(rows, dim=16, seed=0):
    """Vectors with neighbours: 40 to a cluster."""
    centres = np.random.default_rng(0).normal(size=(1 + rows // 40, dim))
    noise = 0.4 * np.random.default_rng(seed).normal(size=(rows, dim))
    vectors = centres[np.arange(rows) % len(centres)] + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("method", ["ivf", "hnsw"])
def test_most_neighbours_are_found_with_their_products(method):
    queries, pool = clusters(300, seed=1), clusters(4000, seed=2)
    exact = nearest_neighbours(queries, pool, 4)
    found = nearest_neighbours(queries, pool, 4, method=method, block=1000)
    shared = np.mean([len(np.intersect1d(a, b)) / 4 for a, b in zip(exact.indices, found.indices, strict=True)])
    assert shared > 0.95
    products = np.take_along_axis(queries @ pool.T, found.indices, axis=1)
    np.testing.assert_allclose(found.similarities, products, atol=1e-6)
    assert (np.diff(found.similarities) <= 0).all()
    assert (found.indices.dtype, found.similarities.dtype) == (np.int64, np.float32)


def test_looking_into_all_lists_is_exact():
    """Queries in float64 are searched for as float32."""
    queries, pool = clusters(50, seed=1), clusters(1000, seed=2)
    exact = nearest_neighbours(queries, pool, 3)
    found = nearest_neighbours(queries.astype(np.float64), pool, 3, method="ivf", effort=1000, block=77)
    np.testing.assert_array_equal(found.indices, exact.indices)
    np.testing.assert_allclose(found.similarities, exact.similarities, atol=1e-6)


@pytest.mark.parametrize("method", ["ivf", "hnsw"])
def test_more_effort_finds_more(method):
    queries, pool = np.random.default_rng(3).normal(size=(2, 3000, 32)).astype(np.float32)
    exact = nearest_neighbours(queries, pool, 4).indices
    little, much = (
        np.mean(nearest_neighbours(queries, pool, 4, method=method, effort=effort).indices == exact)
        for effort in (4, 64)
    )
    assert little + 0.1 < much


def test_absent_neighbours_are_marked():
    """One list of the two holds a single row, so that only one of three can be found in it."""
    pool = np.concatenate([np.tile([[1.0, 0.0]], (77, 1)), [[0.0, 1.0]]]).astype(np.float32)
    found = nearest_neighbours(np.array([[0, 1]], np.float32), pool, 3, method="ivf", effort=1)
    np.testing.assert_array_equal(found.indices, [[77, -1, -1]])
    np.testing.assert_array_equal(found.similarities, [[1, -np.inf, -np.inf]])


@pytest.mark.parametrize("method", ["ivf", "hnsw"])
@pytest.mark.parametrize("rows", [1, 5])
def test_a_small_pool_is_searched_too(method, rows):
    found = nearest_neighbours(np.eye(8), np.eye(8)[:rows], 1, method=method)
    np.testing.assert_array_equal(found.indices[:rows, 0], np.arange(rows))


def test_progress_counts_rows_of_both():
    seen = []
    nearest_neighbours(clusters(30), clusters(90), 2, method="ivf", block=40, progress=lambda *call: seen.append(call))
    assert seen == [(40, 120), (80, 120), (90, 120), (120, 120)]


def test_without_faiss_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UsageError, match=r"needs faiss, which is not installed: pip install 'lealla-tf\[mining\]'\.$"):
        nearest_neighbours(np.eye(3), np.eye(3), 1, method="hnsw")


@pytest.mark.parametrize("method", ["ivf", "hnsw"])
def test_a_value_that_is_not_finite_is_named_by_its_row(method):
    pool = clusters(400)
    pool[333, 1] = np.inf
    with pytest.raises(ValueError, match=r"`pool` must hold finite .* row 333"):
        nearest_neighbours(clusters(3), pool, 1, method=method, block=100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "annoy"}, r"`method` must be one of exact, ivf, hnsw\. Received: 'annoy'\."),
        ({"method": "ivf", "effort": 0}, "`effort` must be at least 1.*Received: 0, ivf"),
        ({"effort": 3}, r"`effort` .* is of approximate methods\. Received: 3, exact"),
        ({"method": "ivf", "precision": "bfloat16"}, "`precision` is a choice of exact search alone"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbours(np.eye(3), np.eye(3), 1, **options)
