"""Blocks of rows against the whole matrix: values and gradients, in every kind of execution."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from lealla_tf.losses.additive_margin import additive_margin_softmax, duplicates
from lealla_tf.losses.blockwise import blockwise_additive_margin, blockwise_logit_distillation, sum_by_blocks
from lealla_tf.losses.distillation import logit_distillation

BATCH, DIM, TEACHER_DIM = 10, 4, 6
EXECUTIONS = {"eager": lambda function: function, "graph": tf.function}
EXECUTIONS["compiled"] = lambda function: tf.function(function, jit_compile=True)

Results = list[np.ndarray[Any, Any]]


def unit_vectors(seed: int, dim: int = DIM, count: int = BATCH) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return tf.constant((vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype("float32"))


FINGERPRINTS = tuple(tf.constant(np.random.default_rng(seed).integers(0, 6, BATCH)) for seed in (0, 1))


def differentiate(function: Callable[[Any, Any], Any], execution: str = "eager", rows: slice = slice(None)) -> Results:
    """The loss of some rows, and its gradient with respect to them and to the keys."""
    queries, keys = unit_vectors(2)[rows], unit_vectors(3)

    def run(queries: Any, keys: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([queries, keys])
            loss = 3.0 * function(queries, keys)
        return loss, *tape.gradient(loss, [queries, keys])

    return [result.numpy() for result in EXECUTIONS[execution](run)(queries, keys)]


def assert_equal(found: Results, expected: Results) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    # Equal because both vanish would say nothing.
    assert all(np.abs(value).max() > 0.1 for value in expected)


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(
    ("block", "first", "count", "masked"),
    [(5, 0, 10, True), (3, 0, 10, True), (3, 0, 10, False), (1, 4, 5, True), (4, 2, 7, True), (16, 0, 10, True)],
)
def test_additive_margin(execution: str, block: int, first: int, count: int, masked: bool) -> None:
    """Blocks that divide the rows and that do not, of one row, larger than all; all rows and a replica's."""
    rows = np.arange(first, first + count)
    constants = {"margin": 0.3, "scale": 10.0, "first_row": first}
    excluded = duplicates(*FINGERPRINTS, rows) if masked else None
    assert excluded is None or np.sum(excluded) > 1.5 * count

    def whole(queries: Any, keys: Any) -> Any:
        return ops.sum(additive_margin_softmax(queries, keys, excluded=excluded, **constants))

    def by_blocks(queries: Any, keys: Any) -> Any:
        fingerprints = FINGERPRINTS if masked else None
        return blockwise_additive_margin(queries, keys, block=block, fingerprints=fingerprints, **constants)

    part = slice(first, first + count)
    assert_equal(differentiate(by_blocks, execution, part), differentiate(whole, rows=part))


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(("block", "first", "count"), [(5, 0, 10), (3, 0, 10), (4, 2, 7), (16, 0, 10)])
def test_logit_distillation(execution: str, block: int, first: int, count: int) -> None:
    part = slice(first, first + count)
    teacher = unit_vectors(4, TEACHER_DIM)[part], unit_vectors(5, TEACHER_DIM)

    def whole(queries: Any, keys: Any) -> Any:
        return ops.sum(logit_distillation(*teacher, queries, keys, temperature=5.0))

    def by_blocks(queries: Any, keys: Any) -> Any:
        return blockwise_logit_distillation(*teacher, queries, keys, temperature=5.0, block=block)

    assert_equal(differentiate(by_blocks, execution, part), differentiate(whole, rows=part))


def test_the_papers_scale() -> None:
    """At s = 100 a logit reaches 130, whose exponential float32 does not hold."""
    constants = {"margin": 0.3, "scale": 100.0}

    def whole(queries: Any, keys: Any) -> Any:
        return ops.sum(additive_margin_softmax(queries, keys, **constants)) / BATCH

    def by_blocks(queries: Any, keys: Any) -> Any:
        return blockwise_additive_margin(queries, keys, block=3, **constants) / BATCH

    for one, other in zip(differentiate(by_blocks), differentiate(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_rows_whose_number_is_not_known_beforehand() -> None:
    """As of batches that a strategy has split among replicas."""
    signature = [tf.TensorSpec((None, DIM)), tf.TensorSpec((None, DIM))]

    @tf.function(input_signature=signature)
    def by_blocks(queries: Any, keys: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([queries, keys])
            loss = blockwise_additive_margin(queries, keys, margin=0.3, scale=10.0, block=4)
        return loss, *tape.gradient(loss, [queries, keys])

    def whole(queries: Any, keys: Any) -> Any:
        return ops.sum(additive_margin_softmax(queries, keys, margin=0.3, scale=10.0))

    for count in (3, 10):
        queries, keys = unit_vectors(2, count=count), unit_vectors(3, count=count)
        with tf.GradientTape() as tape:
            tape.watch([queries, keys])
            loss = whole(queries, keys)
        expected = [loss, *tape.gradient(loss, [queries, keys])]
        for one, other in zip(by_blocks(queries, keys), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_no_more_than_a_block_is_asked_for() -> None:
    """Nor any row more often than once: what a full block repeats of the last row counts nothing."""
    seen: list[tuple[int, ...]] = []

    def row_loss(cosines: Any, rows: Any) -> tuple[Any, Any]:
        seen.append(tuple(cosines.shape))
        return ops.cast(rows + 1, "float32"), ops.zeros_like(cosines)

    total = sum_by_blocks(unit_vectors(0), unit_vectors(1), row_loss, 4)
    assert set(seen) == {(4, BATCH)}
    assert float(total) == sum(range(1, BATCH + 1))


def test_half_precision_is_compared_in_float32_and_gets_its_gradient() -> None:
    queries, keys = (tf.cast(unit_vectors(seed), tf.bfloat16) for seed in (2, 3))
    with tf.GradientTape() as tape:
        tape.watch([queries, keys])
        loss = blockwise_additive_margin(queries, keys, margin=0.3, scale=10.0, block=4)
    whole = ops.sum(additive_margin_softmax(queries, keys, margin=0.3, scale=10.0))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, whole, rtol=1e-5)
    assert [gradient.dtype for gradient in tape.gradient(loss, [queries, keys])] == [tf.bfloat16] * 2
