"""Products in bfloat16 before those in float32: nothing that is among the best may be lost."""

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.retrieval import blockwise, nearest_neighbours, screening, selection


@pytest.fixture(autouse=True)
def always_screened(monkeypatch):
    """Few blocks are not worth it, and in graphs it would not show which way was taken."""
    monkeypatch.setattr(blockwise, "_WORTH_COMPILING", 0)
    monkeypatch.setattr(blockwise, "compiled", lambda update: update)


@pytest.fixture
def ways(monkeypatch):
    """Which ways of taking products were gone."""
    gone = []
    for name in ("above", "largest"):
        way = getattr(selection, name)
        monkeypatch.setattr(screening, name, lambda *args, name=name, way=way: gone.append(name) or way(*args))
    return gone


def both(queries, pool, k, block=640):
    """Neighbours without and with bfloat16."""
    return (
        nearest_neighbours(queries, pool, k, block=block, precision=precision) for precision in ("float32", "bfloat16")
    )


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def clustered(rng, rows, dim):
    """Vectors of unit length, 30 around each of a few, closer to each other than bfloat16 tells apart."""
    centres = normal(rng, -(-rows // 30), dim)
    vectors = np.repeat(centres, 30, axis=0)[:rows]
    vectors += 1e-3 * normal(rng, rows, dim)
    return rng.permutation(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.mark.parametrize("dim", [1, 5, 64, 300])
@pytest.mark.parametrize("k", [1, 4, 17])
def test_the_neighbours_are_those_of_float32(dim, k):
    rng = np.random.default_rng(dim + k)
    plain, screened = both(normal(rng, 150, dim), normal(rng, 3000, dim), k)
    np.testing.assert_array_equal(screened.indices, plain.indices)
    np.testing.assert_allclose(screened.similarities, plain.similarities, rtol=2e-5)


def test_most_products_are_not_taken_again(ways):
    rng = np.random.default_rng(0)
    plain, screened = both(normal(rng, 200, 64), normal(rng, 20000, 64), 1, block=4000)
    np.testing.assert_array_equal(screened.indices, plain.indices)
    assert set(ways) == {"above"}


def test_what_bfloat16_does_not_tell_apart_is_found():
    """The product of each query is the same with every row of a cluster, in bfloat16."""
    rng = np.random.default_rng(1)
    pool = clustered(rng, 3000, 48)
    queries = pool[::20] + 0.1 * normal(rng, 150, 48)
    plain, screened = both(queries, pool, 5)
    exact = queries.astype(np.float64) @ pool.astype(np.float64).T
    for found in (plain, screened):
        products = np.take_along_axis(exact, found.indices, axis=1)
        np.testing.assert_allclose(products, -np.sort(-exact, axis=1)[:, :5], atol=3e-7)


def test_where_everything_is_close_all_products_are_taken(ways):
    rng = np.random.default_rng(2)
    pool = np.ones((2000, 32), np.float32) + 1e-4 * normal(rng, 2000, 32)
    plain, screened = both(normal(rng, 100, 32) + 3, pool, 3)
    assert set(ways) == {"largest"}
    np.testing.assert_allclose(screened.similarities, plain.similarities, rtol=1e-6)


def test_of_equal_rows_the_lowest_come_first():
    """Whichever way each copy is found, in its own block or in a later one."""
    for seed in range(15):
        rng = np.random.default_rng(seed)
        dim, distinct, copies = rng.integers(1, 200), rng.integers(1, 100), rng.integers(4, 20)
        pool, queries = normal(rng, distinct, dim), normal(rng, rng.integers(1, 80), dim)
        found = nearest_neighbours(queries, np.tile(pool, (copies, 1)), 4, block=64, precision="bfloat16")
        nearest = (queries.astype(np.float64) @ pool.T.astype(np.float64)).argmax(axis=1)
        np.testing.assert_array_equal(found.indices, nearest[:, None] + distinct * np.arange(4))


@pytest.mark.parametrize("size", [1e-30, 1e-19, 1e-4, 1e6, 1e17, 1e25])
def test_vectors_need_not_be_of_unit_length(size):
    """Below and above what a float32 can square."""
    rng = np.random.default_rng(3)
    queries, pool = normal(rng, 60, 16), normal(rng, 1500, 16)
    queries[0], pool[7] = 0, 0
    plain, screened = both(queries, pool * np.float32(size), 3)
    np.testing.assert_array_equal(screened.indices, plain.indices)


def test_the_first_block_is_screened_by_its_own_groups(ways):
    """Before anything is known, the k-th best group says what the k-th best is at least; zeros have nothing to say."""
    rng = np.random.default_rng(5)
    queries, pool = normal(rng, 64, 32), normal(rng, 6400, 32)
    plain, screened = both(queries, pool, 3, block=6400)
    np.testing.assert_array_equal(screened.indices, plain.indices)
    assert ways == ["above"]
    queries[5] = 0
    plain, screened = both(queries, pool, 3, block=6400)
    np.testing.assert_array_equal(screened.indices, plain.indices)
    np.testing.assert_array_equal(screened.indices[5], [0, 1, 2])


def test_the_threshold_lets_no_greater_product_through():
    """Vectors with all their error in one direction come within a third of what the bound allows."""
    rng = np.random.default_rng(4)
    # Half a unit in the last place of bfloat16 above a number of it, nearly: what rounding changes most.
    worst = np.float32(1 + 2.0**-8 - 2.0**-12) * rng.choice([1, -1], (200, 96)).astype(np.float32)
    for queries, pool in (
        (normal(rng, 200, 96), normal(rng, 640, 96)),
        (worst[:1] * np.ones((200, 1), np.float32), np.repeat(worst[:1], 640, axis=0)),
    ):
        block = screening.screen(pool)
        rounded = tf.cast(queries, tf.bfloat16)
        rough = tf.cast(tf.matmul(rounded, block.rounded), tf.float32).numpy()
        exact = (queries.astype(np.float64) @ pool.T.astype(np.float64)).astype(np.float32)
        error = screening._error(tf.constant(queries), tf.cast(rounded, tf.float32), block)
        for column in range(0, 640, 40):
            threshold = screening._threshold(tf.constant(exact[:, column]), error).numpy()
            assert (rough[:, column] > threshold).all()
            assert (screening._least(tf.constant(rough[:, column]), error).numpy() < exact[:, column]).all()
        largest = np.abs(rough - exact).max()
    bound = exact[:, -1] - threshold
    assert largest > bound.max() / 3
