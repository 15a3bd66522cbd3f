from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from lealla_tf.layers.embeddings import TokenEmbedding
from lealla_tf.layers.execution import Execution, LookUp, take_rows

RNG = np.random.default_rng(0)
TOKEN_IDS = np.array([[2, 5, 9, 3, 0], [2, 3, 0, 0, 0]])
SEGMENT_IDS = np.array([[0, 0, 1, 1, 0], [0, 0, 0, 0, 0]])


def randomised(**kwargs: object) -> TokenEmbedding:
    layer = TokenEmbedding(vocabulary_size=10, hidden_dim=6, max_positions=7, **kwargs)
    layer.build((None, None))
    for weight in layer.trainable_variables:
        weight.assign(RNG.normal(size=weight.shape).astype("float32"))
    return layer


@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_against_numpy(epsilon: float) -> None:
    layer = randomised(layer_norm_epsilon=epsilon)
    token, position, segment, gamma, beta = (variable.numpy() for variable in layer.trainable_variables)
    assert (token.shape, position.shape, segment.shape) == ((10, 6), (7, 6), (2, 6))
    summed = (token[TOKEN_IDS] + position[np.arange(5)] + segment[SEGMENT_IDS]).astype("float64")
    deviation = summed - summed.mean(axis=-1, keepdims=True)
    expected = deviation / np.sqrt((deviation**2).mean(axis=-1, keepdims=True) + epsilon) * gamma + beta
    np.testing.assert_allclose(layer(TOKEN_IDS, SEGMENT_IDS), expected, rtol=1e-4, atol=1e-5)


def test_without_segments_all_are_0() -> None:
    layer = randomised()
    np.testing.assert_array_equal(layer(TOKEN_IDS), layer(TOKEN_IDS, np.zeros_like(TOKEN_IDS)))
    assert (ops.convert_to_numpy(layer(TOKEN_IDS)) != ops.convert_to_numpy(layer(TOKEN_IDS, SEGMENT_IDS))).any()


def test_dropout_comes_last_and_only_in_training() -> None:
    layer = randomised(dropout=0.5, seed=1)
    quiet, noisy = (ops.convert_to_numpy(layer(TOKEN_IDS, training=training)) for training in (False, True))
    np.testing.assert_allclose(noisy[noisy != 0], 2 * quiet[noisy != 0], rtol=1e-6)
    assert 0.2 < (noisy == 0).mean() < 0.8


def test_configuration() -> None:
    layer = TokenEmbedding(10, 6, 7, 3, 0.2, 1e-6, 0.3, seed=4, execution=Execution(replica_id=lambda: 1), name="here")
    copy = TokenEmbedding.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.segment_table.input_dim == 3
    assert (copy.dropout.rate, copy.dropout.seed, copy.norm.epsilon) == (0.2, 4, 1e-6)


def test_tables_start_with_the_initializer_range() -> None:
    layer = TokenEmbedding(1000, 64, initializer_range=0.02)
    layer.build((None, None))
    table = layer.token_table.embeddings.numpy()
    # Cut off at two standard deviations; Keras does not widen the rest to make up for it.
    assert np.abs(table).max() <= 0.04
    assert table.std() == pytest.approx(0.02 * 0.88, rel=0.02)


def forward_and_backward(look_up: LookUp) -> tuple[Any, set[str]]:
    """The layer's outputs and the gradient of its token table, and the operations that read that table."""
    layer = TokenEmbedding(10, 6, 7, dropout=0.0, execution=Execution(look_up=look_up))
    layer.build((None, None))
    for weight in layer.trainable_variables:
        weight.assign(np.sin(np.arange(np.prod(weight.shape), dtype="float32")).reshape(weight.shape))
    table = layer.token_table.embeddings

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            outputs = layer(TOKEN_IDS)
        return outputs, tf.convert_to_tensor(tape.gradient(outputs, table.value, outputs**2))

    captures = step.get_concrete_function().graph.captures
    handle = next(inner for outer, inner in captures if outer is table.value.handle)
    return step(), {operation.type for operation in handle.consumers()}


def test_rows_can_be_taken_without_reading_the_table() -> None:
    """TensorFlow copies a table that is read, once rows of it were written."""
    (expected, reading), (found, gathering) = (forward_and_backward(look_up) for look_up in (take_rows, tf.gather))
    for values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(*values)
    assert "ReadVariableOp" in reading and gathering == {"ResourceGather"}
