import math
import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from lealla_tf.losses.additive_margin import AdditiveMarginSoftmax, additive_margin_softmax, duplicates, similarities

Array = np.ndarray[Any, Any]


def unit_vectors(rng: np.random.Generator, count: int, dim: int) -> Array:
    vectors = rng.normal(size=(count, dim))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def pairs(seed: int, count: int = 6, dim: int = 5, noise: float = 0.5) -> tuple[Array, Array]:
    """Unit vectors in float64, each target in the neighbourhood of its source."""
    rng = np.random.default_rng(seed)
    source = unit_vectors(rng, count, dim)
    target = source + noise * rng.normal(size=source.shape)
    return source, target / np.linalg.norm(target, axis=-1, keepdims=True)


def reference(
    queries: Array, keys: Array, margin: float, scale: float, first_row: int = 0, excluded: Array | None = None
) -> Array:
    """Equation 2 of LEALLA, term by term, in float64."""
    losses = []
    for row, query in enumerate(queries):
        own = first_row + row
        positive = math.exp(scale * (query @ keys[own] - margin))
        negatives = sum(
            math.exp(scale * (query @ keys[n]))
            for n in range(len(keys))
            if n != own and (excluded is None or not excluded[row, n])
        )
        losses.append(-math.log(positive / (positive + negatives)))
    return np.array(losses)


# --- numbers derived by hand


def test_by_hand_orthogonal_pairs() -> None:
    """Each pair is at cosine 1 and 0 from the other: L = -log(e^{s(1 - m)} / (e^{s(1 - m)} + 1)) = log(1 + e^{-1})."""
    identity = np.eye(2, dtype="float32")
    loss = AdditiveMarginSoftmax(margin=0.5, scale=2.0)(identity, identity)
    assert float(loss) == pytest.approx(2 * 0.3132617, abs=1e-6)


def test_by_hand_one_side_collapsed() -> None:
    """y_1 = y_2 = x_1, s = 1, m = 0.

    Source to target, both rows see equal cosines: log 2 twice. Target to source, row 1 has its
    own at 1 and the other at 0: log(1 + e^-1); row 2 the other way round: log(1 + e).
    """
    source, target = np.eye(2, dtype="float32"), np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    expected = (2 * math.log(2) + math.log(1 + math.exp(-1)) + math.log(1 + math.e)) / 2
    assert expected == pytest.approx(1.5064, abs=1e-4)
    assert float(AdditiveMarginSoftmax(margin=0.0, scale=1.0)(source, target)) == pytest.approx(expected, abs=1e-6)


def test_by_hand_identical_embeddings() -> None:
    """All cosines 1: L = log(1 + (N - 1) e^{s m}), the value of a model that tells nothing apart."""
    ones = np.ones((4, 1), "float32")
    loss = AdditiveMarginSoftmax(margin=0.3, scale=10.0)(ones, ones)
    assert float(loss) == pytest.approx(2 * math.log(1 + 3 * math.exp(3)), rel=1e-6)


def test_by_hand_the_paper_settings() -> None:
    """With m = 0.3 and s = 100, two opposite pairs are so clear that e^{-100 * 1.7} is left of the loss."""
    source = np.array([[1.0, 0.0], [-1.0, 0.0]], "float32")
    assert float(AdditiveMarginSoftmax()(source, source)) == pytest.approx(0.0, abs=1e-6)
    # And the other way round each is wrong by s (1 + 1 + m), in both directions.
    assert float(AdditiveMarginSoftmax()(source, -source)) == pytest.approx(2 * 230.0, rel=1e-6)


# --- against NumPy


@pytest.mark.parametrize(
    ("count", "dim", "margin", "scale"), [(2, 3, 0.3, 100.0), (7, 4, 0.3, 20.0), (16, 8, 0.0, 1.0)]
)
def test_against_numpy(count: int, dim: int, margin: float, scale: float) -> None:
    source, target = pairs(count, count, dim)
    forward = reference(source, target, margin, scale)
    outputs = additive_margin_softmax(source, target, margin=margin, scale=scale)
    np.testing.assert_allclose(outputs, forward, rtol=1e-4, atol=1e-4)
    total = float(AdditiveMarginSoftmax(margin, scale)(source, target))
    assert total == pytest.approx((forward + reference(target, source, margin, scale)).mean(), rel=1e-4, abs=1e-4)


def test_against_numpy_with_exclusions() -> None:
    source, target = pairs(1)
    excluded = np.random.default_rng(2).random((6, 6)) < 0.4
    outputs = additive_margin_softmax(source, target, margin=0.3, scale=10.0, excluded=excluded)
    np.testing.assert_allclose(outputs, reference(source, target, 0.3, 10.0, excluded=excluded), rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_gradient_is_that_of_the_formula(scale: float) -> None:
    """Central differences of the NumPy reference, in float64, for both arguments."""
    margin, step = 0.3, 1e-6
    values = np.stack(pairs(3, count=4, dim=3))

    def loss(at: Array) -> float:
        return float((reference(at[0], at[1], margin, scale) + reference(at[1], at[0], margin, scale)).mean())

    expected = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        shift = np.zeros_like(values)
        shift[index] = step
        expected[index] = (loss(values + shift) - loss(values - shift)) / (2 * step)
    inputs = tf.constant(values, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = AdditiveMarginSoftmax(margin, scale)(inputs[0], inputs[1])
    np.testing.assert_allclose(tape.gradient(output, inputs), expected, rtol=1e-3, atol=1e-4 * scale)


# --- properties


def test_margin_0_is_the_softmax_cross_entropy() -> None:
    source, target = (side.astype("float32") for side in pairs(4))
    outputs = additive_margin_softmax(source, target, margin=0.0, scale=20.0)
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(6), 20.0 * source @ target.T)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_the_loss_grows_with_the_margin() -> None:
    source, target = pairs(5)
    losses = [float(AdditiveMarginSoftmax(margin, 10.0)(source, target)) for margin in (0.0, 0.3, 0.6)]
    assert losses == sorted(set(losses))


def test_the_order_of_the_batch_does_not_matter() -> None:
    source, target = pairs(6)
    order = np.random.default_rng(0).permutation(6)
    rows = additive_margin_softmax(source, target, margin=0.3, scale=20.0)
    permuted = additive_margin_softmax(source[order], target[order], margin=0.3, scale=20.0)
    np.testing.assert_allclose(permuted, ops.convert_to_numpy(rows)[order], rtol=1e-5, atol=1e-5)


def test_the_sides_may_change_places() -> None:
    source, target = pairs(7)
    loss = AdditiveMarginSoftmax()
    assert float(loss(source, target)) == pytest.approx(float(loss(target, source)), rel=1e-6)


@pytest.mark.parametrize("blocks", [(6,), (3, 3), (1, 2, 3)])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_blocks_of_rows_make_the_whole(blocks: tuple[int, ...], as_tensor: bool) -> None:
    """What several replicas compute, each for its own rows, is what one computes for all."""
    source, target = pairs(8)
    same = duplicates(np.array([1, 2, 1, 3, 4, 5]), np.array([1, 2, 3, 4, 5, 5]))
    whole = additive_margin_softmax(source, target, margin=0.3, scale=20.0, excluded=same)
    parts, first = [], 0
    for rows in blocks:
        begin = ops.convert_to_tensor(first, "int32") if as_tensor else first
        part = duplicates(np.array([1, 2, 1, 3, 4, 5]), np.array([1, 2, 3, 4, 5, 5]), begin + np.arange(rows))
        queries = source[first : first + rows]
        parts.append(additive_margin_softmax(queries, target, margin=0.3, scale=20.0, first_row=begin, excluded=part))
        first += rows
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-5)


def test_an_excluded_pair_counts_as_if_it_were_not_in_the_batch() -> None:
    """Row 0 without rows 2 and 3 among its negatives loses what it would in a batch without them."""
    source, target = pairs(9)
    excluded = np.zeros((6, 6), bool)
    excluded[0, [2, 3]] = True
    with_them = additive_margin_softmax(source, target, margin=0.3, scale=20.0, excluded=excluded)
    kept = [0, 1, 4, 5]
    without = additive_margin_softmax(source[kept], target[kept], margin=0.3, scale=20.0)
    np.testing.assert_allclose(with_them[0], without[0], rtol=1e-5)
    plain = additive_margin_softmax(source, target, margin=0.3, scale=20.0)
    np.testing.assert_allclose(with_them[1:], plain[1:], rtol=1e-6)


def test_the_own_pair_is_never_excluded() -> None:
    """A row is a duplicate of itself; were it left out, the loss would be about 1e9."""
    source, target = pairs(10)
    nothing = additive_margin_softmax(source, target, margin=0.3, scale=20.0)
    own = additive_margin_softmax(source, target, margin=0.3, scale=20.0, excluded=np.eye(6, dtype=bool))
    np.testing.assert_array_equal(own, nothing)
    # With all others left out the own pair has nothing to lose against.
    alone = additive_margin_softmax(source, target, margin=0.3, scale=20.0, excluded=np.ones((6, 6), bool))
    np.testing.assert_allclose(alone, np.zeros(6), atol=1e-5)


def test_excluded_pairs_get_no_gradient() -> None:
    source, target = (tf.constant(side, tf.float32) for side in pairs(11))
    excluded = np.zeros((6, 6), bool)
    excluded[:, 5] = True
    with tf.GradientTape() as tape:
        tape.watch(target)
        loss = tf.reduce_sum(additive_margin_softmax(source[:5], target, margin=0.3, scale=20.0, excluded=excluded[:5]))
    gradient = tape.gradient(loss, target).numpy()
    np.testing.assert_array_equal(gradient[5], np.zeros(5))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[:5]).max() > 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_identical_embeddings_give_finite_gradients(dtype: str, scale: float) -> None:
    """The state of a collapsed model. In float16, e^{100} alone would overflow."""
    embeddings = tf.cast(tf.ones((8, 4)) / 2, dtype)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = AdditiveMarginSoftmax(0.3, scale)(embeddings, embeddings)
    gradient = tf.cast(tape.gradient(loss, embeddings), "float32").numpy()
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(2 * (scale * 0.3 + math.log(7 + math.exp(-scale * 0.3))), rel=1e-5)
    assert np.isfinite(gradient).all()


def test_half_precision_inputs_are_compared_in_float32() -> None:
    source, target = (side.astype("float16") for side in pairs(12))
    product = similarities(source, target)
    assert product.dtype == "float32"
    np.testing.assert_allclose(product, source.astype("float64") @ target.astype("float64").T, atol=1e-6)


# --- duplicates


def test_duplicates_by_hand() -> None:
    """Rows 0 and 2 share their source, rows 1 and 2 their target; 0 and 1 share nothing."""
    same = duplicates(np.array([7, 8, 7, 9], "int64"), np.array([1, 2, 2, 3], "int64"))
    np.testing.assert_array_equal(same, [[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]])


def test_a_source_is_no_duplicate_of_an_equal_target() -> None:
    same = duplicates(np.array([1, 2], "int64"), np.array([2, 1], "int64"))
    np.testing.assert_array_equal(same, np.eye(2))


def test_duplicates_of_some_rows() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 4, size=(2, 9))
    whole = ops.convert_to_numpy(duplicates(source, target))
    np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(duplicates(source, target, np.array([6, 3, 4])), whole[[6, 3, 4]])


def test_fingerprints_are_compared_in_all_their_bits() -> None:
    """As float32 these three would be equal."""
    fingerprints = np.array([2**62, 2**62 + 1, -(2**62)], "int64")
    np.testing.assert_array_equal(duplicates(fingerprints, fingerprints), np.eye(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 1.0}, "`margin` must be in [0, 1). Received: margin=1.0."),
        ({"margin": -0.1}, "`margin` must be in [0, 1). Received: margin=-0.1."),
        ({"scale": 0.0}, "`scale` must be positive. Received: scale=0.0."),
        ({"scale": math.nan}, "`scale` must be positive. Received: scale=nan."),
    ],
)
def test_refused_constants(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        AdditiveMarginSoftmax(**arguments)
