"""Which columns of a block are the largest, by either of two ways, against sorting them all."""

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.retrieval import nearest_neighbours, selection


@pytest.mark.parametrize(
    ("columns", "k", "width"), [(9600, 4, 64), (9600, 1, 64), (9600, 16, 32), (9600, 9600, 1), (64, 64, 1), (64, 1, 8)]
)
def test_there_are_groups_enough(columns, k, width):
    assert selection.group_width(columns, k) == width
    assert columns // width >= k


def block_of(products, width):
    """Products of queries with a block, laid out as the search lays them out."""
    queries, columns = products.shape
    return tf.constant(products.reshape(queries, -1, width).transpose(0, 2, 1).reshape(queries, columns))


def expected_above(products, threshold):
    """By query: the rows of the block above the threshold, in order."""
    return [np.flatnonzero(row > limit).tolist() for row, limit in zip(products, threshold, strict=True)]


@pytest.mark.parametrize("width", [1, 4, 16])
def test_products_above_a_threshold_come_in_order(width):
    """Small integers, so that many are equal to the threshold, which is not above it; the second query has none."""
    products = np.random.default_rng(0).integers(-9, 10, (6, 64)).astype(np.float32)
    threshold = np.array([7, 9, 8, 8, 8, 8], np.float32)
    block = block_of(products, width)
    maxima = selection.group_maxima(block, width)
    np.testing.assert_array_equal(maxima, products.reshape(6, -1, width).max(axis=2))
    query, rows, values = selection.above(block, maxima, tf.constant(threshold), width)
    values, rows = (tensor.numpy() for tensor in selection.by_query(query, rows, values, 6))
    expected = expected_above(products, threshold)
    assert expected[1] == []
    assert values.shape == rows.shape == (6, max(map(len, expected)))
    for query, places in enumerate(expected):
        assert rows[query, : len(places)].tolist() == places
        assert values[query, : len(places)].tolist() == products[query, places].tolist()
        assert (values[query, len(places) :] == -np.inf).all()


@pytest.mark.parametrize("width", [1, 4, 16])
def test_the_largest_come_in_order_and_equal_ones_by_row(width):
    products = np.random.default_rng(1).integers(-9, 10, (50, 64)).astype(np.float32)
    block = block_of(products, width)
    values, rows = selection.largest(block, selection.group_maxima(block, width), 4, width)
    expected = np.argsort(-products, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(products, expected, axis=1))


@pytest.mark.parametrize("ascending", [True, False])
def test_the_order_of_the_pool_does_not_matter(monkeypatch, ascending):
    """From the least similar on, every block holds all the best of those before it; the other way round, none."""
    ways = []
    for name in ("above", "largest"):
        way = getattr(selection, name)
        monkeypatch.setattr(selection, name, lambda *args, name=name, way=way: ways.append(name) or way(*args))
    pool = np.stack([np.arange(1000), np.ones(1000)], axis=1)[:: 1 if ascending else -1]
    queries = np.stack([np.ones(300), np.arange(300)], axis=1)
    found = nearest_neighbours(queries.astype(np.float32), pool.astype(np.float32), 3, block=200, precision="float32")
    best = [999, 998, 997] if ascending else [0, 1, 2]
    np.testing.assert_array_equal(found.indices, np.tile(best, (300, 1)))
    assert ways == (["largest"] * 4 if ascending else ["largest"] + ["above"] * 3)
