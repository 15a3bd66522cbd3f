import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from keras import ops

from lealla_tf.layers.execution import Execution
from lealla_tf.layers.transformer import ACTIVATIONS, TransformerLayer

RNG = np.random.default_rng(0)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])

# Hendrycks and Gimpel, 2016: x P(X <= x) of a standard normal X, and their approximation of it.
REFERENCES: dict[str, Callable[[float], float]] = {
    "gelu_erf": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: max(x, 0.0),
}


def randomised(**kwargs: object) -> TransformerLayer:
    layer = TransformerLayer(num_heads=2, intermediate_dim=12, **kwargs)
    layer.build((None, None, 8))
    for weight in layer.trainable_variables:
        weight.assign(RNG.normal(size=weight.shape).astype("float32"))
    return layer


def hidden_states() -> np.ndarray:
    return RNG.normal(size=(2, 5, 8)).astype("float32")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    inputs = np.linspace(-6, 6, 241)
    expected = [REFERENCES[name](x) for x in inputs]
    np.testing.assert_allclose(ACTIVATIONS[name](inputs.astype("float32")), expected, rtol=1e-5, atol=1e-6)


def test_the_two_kinds_of_gelu_differ() -> None:
    """By 5e-4 at most: too little to be seen in a loss, enough to break a comparison with released weights."""
    inputs = np.linspace(-6, 6, 241).astype("float32")
    difference = np.abs(np.subtract(ACTIVATIONS["gelu_tanh"](inputs), ACTIVATIONS["gelu_erf"](inputs)))
    assert 1e-4 < difference.max() < 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_against_numpy(activation: str) -> None:
    """norm(h + W2 activation(W1 h)), h = norm(x + attention(x)); the attention has a test of its own."""
    layer, hidden = randomised(activation=activation, layer_norm_epsilon=1e-3), hidden_states()
    weights = {variable.path.split("/", 1)[1]: variable.numpy() for variable in layer.trainable_variables}

    def norm(inputs: np.ndarray, name: str) -> np.ndarray:
        deviation = inputs - inputs.mean(axis=-1, keepdims=True)
        scale = np.sqrt((deviation**2).mean(axis=-1, keepdims=True) + 1e-3)
        return deviation / scale * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    attended = norm(hidden + ops.convert_to_numpy(layer.attention(hidden, MASK)).astype("float64"), "attention_norm")
    inner = attended @ weights["intermediate/kernel"] + weights["intermediate/bias"]
    outer = np.vectorize(REFERENCES[activation])(inner) @ weights["output/kernel"] + weights["output/bias"]
    np.testing.assert_allclose(layer(hidden, MASK), norm(attended + outer, "output_norm"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("num_queries", [1, 3, 5])
def test_num_queries_gives_the_first_rows(num_queries: int) -> None:
    layer, hidden = randomised(), hidden_states()
    part = layer(hidden, MASK, num_queries=num_queries)
    assert part.shape == (2, num_queries, 8)
    np.testing.assert_allclose(part, layer(hidden, MASK)[:, :num_queries], rtol=1e-4, atol=1e-5)


def test_dropout_is_for_training_alone() -> None:
    layer, hidden = randomised(dropout=0.5), hidden_states()
    np.testing.assert_array_equal(layer(hidden, MASK), layer(hidden, MASK, training=False))
    np.testing.assert_array_equal(layer(hidden, MASK), randomised_copy(layer, dropout=0.0)(hidden, MASK, training=True))
    assert np.abs(np.subtract(layer(hidden, MASK, training=True), layer(hidden, MASK))).max() > 0.1


def randomised_copy(layer: TransformerLayer, **changes: object) -> TransformerLayer:
    copy = TransformerLayer.from_config({**layer.get_config(), **changes})
    copy.build((None, None, 8))
    for ours, theirs in zip(copy.trainable_variables, layer.trainable_variables, strict=True):
        ours.assign(theirs)
    return copy


def test_the_three_dropouts_draw_different_masks() -> None:
    layer = TransformerLayer(2, 12, seed=5)
    dropouts = (layer.attention.dropout, layer.attention_dropout, layer.output_dropout)
    assert [dropout.seed for dropout in dropouts] == [5, 6, 7]


def test_replicas_draw_different_masks() -> None:
    layer, hidden = randomised(dropout=0.5), hidden_states()
    outputs = []
    for replica in (0, 1):
        other = TransformerLayer(2, 12, dropout=0.5, execution=Execution(replica_id=lambda replica=replica: replica))
        other.build((None, None, 8))
        for ours, theirs in zip(other.trainable_variables, layer.trainable_variables, strict=True):
            ours.assign(theirs)
        outputs.append(ops.convert_to_numpy(other(hidden, MASK, training=True)))
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1


def test_configuration() -> None:
    layer = TransformerLayer(
        2, 12, "relu", 0.2, 1e-6, 0.3, seed=4, execution=Execution(replica_id=lambda: 1), name="here"
    )
    layer.build((None, None, 8))
    copy = TransformerLayer.from_config(layer.get_config())
    copy.build((None, None, 8))
    assert copy.get_config() == layer.get_config()
    assert copy.activation is ACTIVATIONS["relu"]
    assert (copy.attention.num_heads, copy.output_dropout.rate, copy.output_norm.epsilon) == (2, 0.2, 1e-6)
    assert [weight.path for weight in copy.weights] == [weight.path for weight in layer.weights]


def test_an_unknown_activation() -> None:
    message = "`activation` must be one of gelu_tanh, gelu_erf, relu. Received: activation='gelu'."
    with pytest.raises(ValueError, match=re.escape(message)):
        TransformerLayer(2, 12, activation="gelu")
