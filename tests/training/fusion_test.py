"""A layer of the encoder with and without fusion: the same numbers, in fewer and larger operations."""

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.layers.execution import Execution
from lealla_tf.layers.transformer import ACTIVATIONS, TransformerLayer, add_and_norm
from lealla_tf.training.fusion import fuse

RNG = np.random.default_rng(0)
SHAPE = (3, 5, 8)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])


def step(num_queries=None, **kwargs):
    """Output and gradients of one training step of a layer, its weights drawn from a seed."""
    layer = TransformerLayer(2, 12, seed=3, **kwargs)
    layer.build((None, None, SHAPE[-1]))
    generator = np.random.default_rng(1)
    for weight in layer.trainable_variables:
        weight.assign(generator.normal(scale=0.5, size=weight.shape))

    @tf.function(autograph=False)
    def run(hidden, upstream):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            outputs = layer(hidden, MASK, num_queries=num_queries, training=True)
        return outputs, *tape.gradient(outputs, [hidden, *layer.trainable_variables], upstream[:, :num_queries])

    return run


@pytest.fixture(scope="module")
def inputs():
    """Of a layer, and the gradient of its outputs."""
    return [tf.constant(RNG.normal(size=SHAPE), tf.float32) for _ in range(2)]


def check(inputs, **kwargs):
    """That output and gradients are the same, to 1e-5 of the largest number of all."""
    plain, fused = step(**kwargs)(*inputs), step(**kwargs, execution=Execution(fuse=fuse))(*inputs)
    largest = max(np.abs(value).max() for value in plain)
    for expected, found in zip(plain, fused, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * largest)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_and_gradients_are_the_same(inputs, activation):
    """With dropout: the masks are drawn outside."""
    check(inputs, activation=activation, dropout=0.4, layer_norm_epsilon=1e-3)


@pytest.mark.parametrize("kwargs", [{"num_queries": 1}, {"dropout": 0.0}])
def test_without_some_rows_or_units(inputs, kwargs):
    check(inputs, layer_norm_epsilon=1e-3, **kwargs)


def test_mixed_precision(inputs):
    """Eight bits of mantissa, a few operations deep; masks are those of float32."""
    kwargs = {"layer_norm_epsilon": 1e-3, "dropout": 0.4}
    exact, *_ = step(**kwargs)(*inputs)
    outputs, *gradients = step(**kwargs, execution=Execution(fuse=fuse), dtype="mixed_bfloat16")(*inputs)
    assert (outputs.dtype, {gradient.dtype for gradient in gradients}) == (tf.bfloat16, {tf.float32})
    assert np.linalg.norm(tf.cast(outputs, tf.float32) - exact) < 0.05 * np.linalg.norm(exact)


def test_the_step_itself_is_left_with_products_and_masks(inputs):
    """Of what is fused, no operation stands alone, and so none has an output that is remembered."""
    kinds = {
        name: {operation.type for operation in step(**how).get_concrete_function(*inputs).graph.get_operations()}
        for name, how in {"plain": {}, "fused": {"execution": Execution(fuse=fuse)}}.items()
    }
    pointwise = {"Tanh", "TanhGrad", "Pow", "SquaredDifference", "Rsqrt", "RsqrtGrad"}
    assert pointwise <= kinds["plain"]
    assert not pointwise & kinds["fused"]
    assert {"MatMul", "StatelessRandomUniformV2"} <= kinds["fused"]


def test_a_stretch_is_compiled_once_for_all_layers():
    counts = []

    def double(inputs, factor):
        counts.append(factor)
        return inputs * factor

    for _ in range(3):
        np.testing.assert_array_equal(fuse(double, factor=2.0)(np.ones(3, "float32")), np.full(3, 2.0))
    np.testing.assert_array_equal(fuse(double, factor=3.0)(np.ones(3, "float32")), np.full(3, 3.0))
    assert counts == [2.0, 3.0]


def test_outside_of_training_nothing_is_fused(inputs):
    """What is exported or run elsewhere is to hold no instructions for XLA."""

    def refuse(function, **constants):
        raise AssertionError(function)

    layer = TransformerLayer(2, 12, execution=Execution(fuse=refuse))
    layer(inputs[0], MASK)
    with pytest.raises(AssertionError):
        layer(inputs[0], MASK, training=True)


def test_add_and_norm():
    """norm((1, 3) + (0, (1 + 1) / (1 - 1/2))) = norm((1, 7)) = (-1, 1), times 2, plus 1."""
    inputs, bias, *others = (
        np.array([vector], "float32") for vector in ((4.0, 1.0), (1.0, 1.0), (1.0, 3.0), (2.0, 2.0), (1.0, 1.0))
    )
    vectors = [inputs, bias[0], *others]
    outputs = fuse(add_and_norm, rate=0.5, epsilon=1e-12)(*vectors, np.array([[False, True]]))
    np.testing.assert_allclose(outputs, [[-1.0, 3.0]], rtol=1e-6)
