"""Nearest neighbours against a brute-force float64 reference, and by hand."""

import numpy as np
import pytest

from lealla_tf.retrieval import nearest, nearest_neighbours, precision_at_1


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def random_unit(rng, rows, dim):
    return unit(rng.normal(size=(rows, dim)))


def brute_force(queries, pool):
    """All products one by one in float64, and the first of the largest."""
    result = []
    for query in np.asarray(queries, np.float64):
        products = [float(np.sum(query * row)) for row in np.asarray(pool, np.float64)]
        result.append(products.index(max(products)))
    return np.array(result)


# Products of source with target by hand; the rows are Pythagorean, so of unit length:
#            (1, 0)   (0.6, 0.8)   (0, 1)
# (1, 0)       1         0.6         0
# (0.8, 0.6)   0.8       0.96        0.6
# (0.96, 0.28) 0.96      0.8         0.28
SOURCE = np.array([[1, 0], [0.8, 0.6], [0.96, 0.28]])
TARGET = np.array([[1, 0], [0.6, 0.8], [0, 1]])


def test_three_sentences_by_hand():
    np.testing.assert_array_equal(nearest(SOURCE, TARGET), [0, 1, 0])
    np.testing.assert_array_equal(nearest(TARGET, SOURCE), [0, 1, 1])


@pytest.mark.parametrize(("queries", "pool", "dim"), [(1, 1, 1), (7, 50, 3), (140, 65, 64), (33, 200, 16)])
@pytest.mark.parametrize("block", [1, 64, 4096])
def test_agrees_with_brute_force(queries, pool, dim, block):
    rng = np.random.default_rng(queries * pool + dim)
    a, b = random_unit(rng, queries, dim), random_unit(rng, pool, dim)
    result = nearest(a, b, block=block)
    np.testing.assert_array_equal(result, brute_force(a, b))
    assert result.dtype == np.int64


def test_hubs_are_found_from_everywhere():
    """A row that all queries point at wins for all of them, wherever its block is."""
    rng = np.random.default_rng(1)
    hub = unit(np.ones((1, 12)))
    queries = unit(hub + 0.1 * rng.normal(size=(30, 12)))
    for place in (0, 64, 150):
        pool = np.insert(random_unit(rng, 150, 12), place, hub, axis=0)
        expected = brute_force(queries, pool)
        np.testing.assert_array_equal(nearest(queries, pool, block=64), expected)
        assert np.mean(expected == place) > 0.9


def test_equal_rows_give_the_lowest_index():
    """Copies in one block, in several, and in blocks that are not full.

    BLAS rounds by position and shape: without full tiles and blocks of one shape, 5 % of
    4,000 such trials' queries found a copy instead of the row itself.
    """
    for seed in range(400):
        rng = np.random.default_rng(seed)
        dim, distinct, copies = rng.integers(1, 300), rng.integers(1, 8), rng.integers(2, 60)
        pool = random_unit(rng, distinct, dim)
        queries = random_unit(rng, rng.integers(1, 80), dim)
        result = nearest(queries, np.tile(pool, (copies, 1)), block=int(rng.integers(1, 200)))
        np.testing.assert_array_equal(result, nearest(queries, pool))
        assert result.max() < distinct


def test_float32_differs_from_float64_at_near_ties_only():
    rng = np.random.default_rng(2)
    base = random_unit(rng, 300, 48)
    pool = np.concatenate([base, unit(base + 1e-6 * rng.normal(size=base.shape))])
    queries = unit(base + 0.05 * rng.normal(size=base.shape))
    result = nearest(queries, pool)
    exact = queries.astype(np.float64) @ pool.astype(np.float64).T
    expected = exact.argmax(axis=1)
    rows = np.arange(len(queries))
    # Rounding of a sum of 48 products of at most 1/48 on average: well below 1e-6.
    np.testing.assert_allclose(exact[rows, result], exact[rows, expected], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(result % len(base), expected % len(base))
    np.testing.assert_array_equal(nearest(queries.astype(np.float64), pool), expected)


def by_sorting(queries, pool, k):
    """The k largest of all products in float64, the lowest index first of equal ones."""
    products = np.asarray(queries, np.float64) @ np.asarray(pool, np.float64).T
    indices = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(products, indices, axis=1)


@pytest.mark.parametrize(
    ("queries", "pool", "k"),
    [(1, 1, 1), (3, 4, 4), (20, 63, 2), (5, 65, 65), (40, 500, 4), (530, 300, 3), (17, 1000, 130), (9, 2000, 1)],
)
@pytest.mark.parametrize("block", [1, 64, 200, 9600])
def test_of_many_equal_products_the_lowest_indices_are_found_in_order(queries, pool, k, block):
    """Small integers: their products are exact and mostly equal, and some columns have negative ones alone."""
    rng = np.random.default_rng(queries + pool + k)
    a = rng.integers(-2, 3, (queries, 3)).astype(np.float32)
    b = rng.integers(-2, 2, (pool, 3)).astype(np.float32)
    a[0], b[:, 0] = (1, 0, 0), -np.abs(b[:, 0]) - 1
    for precision in ("float32", "bfloat16"):
        found = nearest_neighbours(a, b, k, block=block, precision=precision)
        indices, products = by_sorting(a, b, k)
        np.testing.assert_array_equal(found.similarities, products)
        np.testing.assert_array_equal(found.indices, indices)
        assert (found.indices.dtype, found.similarities.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_k_neighbours_agree_with_sorting_all_products(dtype):
    rng = np.random.default_rng(6)
    queries, pool = rng.normal(size=(700, 24)).astype(dtype), rng.normal(size=(3000, 24)).astype(dtype)
    found = nearest_neighbours(queries, pool, 7, block=640)
    indices, products = by_sorting(queries, pool, 7)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.similarities, products, rtol=1e-5 if dtype is np.float32 else 1e-13)
    assert found.similarities.dtype == dtype


def test_half_precision_and_integers_are_multiplied_as_floats():
    """In float16 the products 2049 and 2050 would be equal, in int8 they would overflow."""
    pool = np.array([[2049, 0], [2050, 0]])
    assert nearest(np.array([[1, 0]], np.float16), pool.astype(np.float32))[0] == 1
    assert nearest(np.array([[100, 0]], np.int8), np.array([[1, 0], [100, 0]], np.int8))[0] == 1


def test_precision_by_hand():
    """Rows of the table: 0 and 1 find their own; columns: 0 and 1 do."""
    assert precision_at_1(SOURCE, TARGET) == pytest.approx((2 / 3, 2 / 3))
    assert precision_at_1(TARGET, TARGET) == (1, 1)


def test_the_directions_are_not_confused():
    """Rows 0 and 2 of the table are both nearest to column 0, but columns 0 and 2 part: 1 > 0.96, 0.28 > 0."""
    source, target = SOURCE[[0, 2]], TARGET[[0, 2]]
    assert precision_at_1(source, target) == (0.5, 1)
    assert precision_at_1(target, source) == (1, 0.5)


def test_an_equal_row_at_another_index_is_an_error():
    assert precision_at_1(TARGET[[0, 0, 1]], TARGET[[0, 0, 1]]) == pytest.approx((2 / 3, 2 / 3))


def test_precision_agrees_with_brute_force():
    rng = np.random.default_rng(4)
    source = random_unit(rng, 90, 6)
    target = unit(source + 0.4 * rng.normal(size=source.shape))
    forward = np.mean(brute_force(source, target) == np.arange(90))
    backward = np.mean(brute_force(target, source) == np.arange(90))
    assert 0.1 < forward < 0.9
    assert forward != backward
    assert precision_at_1(source, target) == (forward, backward)


def test_precision_does_not_depend_on_the_order_of_the_pairs():
    rng = np.random.default_rng(5)
    source = random_unit(rng, 200, 10)
    target = unit(source + 0.4 * rng.normal(size=source.shape))
    order = rng.permutation(200)
    assert precision_at_1(source[order], target[order]) == precision_at_1(source, target)


GOOD = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("queries", "pool", "message"),
    [
        (GOOD[0], GOOD, r"`queries` must be 2-D, of shape \(rows, dim\). Received: shape \(3,\)."),
        (GOOD, GOOD[None], r"`pool` must be 2-D.*shape \(1, 3, 3\)."),
        (GOOD[:0], GOOD, r"`queries` must not be empty. Received: shape \(0, 3\)."),
        (GOOD, GOOD[:, :0], r"`pool` must not be empty. Received: shape \(3, 0\)."),
        (GOOD, GOOD[:, :2], r"`queries` and `pool` must have rows of the same width.*\(3, 3\) and \(3, 2\)."),
        (GOOD.astype(str), GOOD, r"`queries` must hold real numbers. Received: type <U32."),
        (GOOD, GOOD.astype(complex), r"`pool` must hold real numbers. Received: type complex128."),
        (GOOD, np.zeros((3, 3), "datetime64[s]"), r"`pool` must hold real numbers. Received: type datetime64"),
        (np.diag([1, np.nan, 1]), GOOD, r"`queries` must hold finite numbers. Received: NaN or infinity in row 1."),
        (GOOD, np.diag([1, 1, -np.inf]), r"`pool` must hold finite numbers. Received: NaN or infinity in row 2."),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, pool, message):
    with pytest.raises(ValueError, match=message):
        nearest(queries, pool)


def test_a_value_that_is_not_finite_is_named_by_its_row_in_a_later_block():
    pool = np.ones((200, 3))
    pool[170, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in row 170"):
        nearest(GOOD, pool, block=64)


def test_block_must_be_positive():
    with pytest.raises(ValueError, match=r"`block` must be at least 1. Received: block=0."):
        nearest(GOOD, GOOD, block=0)


def test_precision_needs_aligned_rows():
    with pytest.raises(ValueError, match=r"aligned row by row. Received: 3 rows of `source` and 2 of `target`."):
        precision_at_1(GOOD, GOOD[:2])
    with pytest.raises(ValueError, match="`source` and `target` must have rows of the same width"):
        precision_at_1(GOOD, GOOD[:, :2])
    with pytest.raises(ValueError, match="`target` must hold finite numbers"):
        precision_at_1(GOOD, np.full((3, 3), np.nan))


@pytest.mark.parametrize(("k", "received"), [(0, "k=0"), (4, "k=4"), (-1, "k=-1")])
def test_more_neighbours_than_rows_are_refused(k, received):
    with pytest.raises(ValueError, match=rf"`k` must be at least 1 and at most the rows of `pool`, 3. .*{received}\."):
        nearest_neighbours(GOOD, GOOD, k)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"`precision` must be one of float32, bfloat16. Received: 'float16'."):
        nearest_neighbours(GOOD, GOOD, 1, precision="float16")
