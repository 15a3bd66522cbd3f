import re

import numpy as np
import pytest
from keras import ops

from lealla_tf.layers.attention import SelfAttention
from lealla_tf.layers.execution import Execution

RNG = np.random.default_rng(0)


def randomised(width: int, num_heads: int, **kwargs: object) -> SelfAttention:
    """A layer whose weights, biases too, are far from what the initialisers give."""
    layer = SelfAttention(num_heads, **kwargs)
    layer.build((None, None, width))
    for weight in layer.trainable_variables:
        weight.assign(RNG.normal(size=weight.shape).astype("float32"))
    return layer


def reference(layer: SelfAttention, hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Section 3.2 of Vaswani et al., word by word: one sequence, one head, one query at a time."""
    weights = {variable.path.split("/", 1)[1]: variable.numpy() for variable in layer.trainable_variables}
    result = np.zeros(hidden.shape)
    head_dim = hidden.shape[-1] // layer.num_heads
    for row, (sequence, tokens) in enumerate(zip(hidden.astype("float64"), mask, strict=True)):
        query, key, value = (
            sequence @ weights[f"{name}/kernel"] + weights[f"{name}/bias"] for name in ("query", "key", "value")
        )
        context = np.zeros_like(sequence)
        for head in range(layer.num_heads):
            part = slice(head * head_dim, (head + 1) * head_dim)
            for position in range(len(sequence)):
                scores = key[tokens == 1][:, part] @ query[position, part] / np.sqrt(head_dim)
                exponentials = np.exp(scores - scores.max())
                context[position, part] = exponentials / exponentials.sum() @ value[tokens == 1][:, part]
        result[row] = context @ weights["output/kernel"] + weights["output/bias"]
    return result


@pytest.mark.parametrize(("width", "num_heads", "length"), [(8, 2, 5), (12, 3, 7), (6, 1, 3), (4, 4, 2)])
def test_against_numpy(width: int, num_heads: int, length: int) -> None:
    layer = randomised(width, num_heads)
    hidden = RNG.normal(size=(4, length, width)).astype("float32")
    mask = (np.arange(length) < np.array([[length], [1], [max(1, length - 1)], [max(1, length // 2)]])).astype("int32")
    np.testing.assert_allclose(layer(hidden, mask), reference(layer, hidden, mask), rtol=1e-4, atol=1e-4)


def test_padding_in_the_middle() -> None:
    """The mask is read as it is; nothing takes it for a length."""
    layer = randomised(4, 2)
    hidden = RNG.normal(size=(1, 5, 4)).astype("float32")
    mask = np.array([[1, 0, 1, 0, 1]])
    np.testing.assert_allclose(layer(hidden, mask), reference(layer, hidden, mask), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_queries", [1, 3, 5])
def test_num_queries_gives_the_first_rows(num_queries: int) -> None:
    layer = randomised(8, 2)
    hidden, mask = RNG.normal(size=(2, 5, 8)).astype("float32"), np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    part = layer(hidden, mask, num_queries=num_queries)
    assert part.shape == (2, num_queries, 8)
    np.testing.assert_allclose(part, layer(hidden, mask)[:, :num_queries], rtol=1e-5, atol=1e-5)


def test_what_stands_under_padding_does_not_matter() -> None:
    layer = randomised(8, 2)
    hidden, mask = RNG.normal(size=(2, 5, 8)).astype("float32"), np.array([[1, 1, 1, 0, 0]] * 2)
    changed = np.where(mask[:, :, None] == 1, hidden, 100 * RNG.normal(size=hidden.shape)).astype("float32")
    np.testing.assert_array_equal(layer(changed, mask)[:, :3], layer(hidden, mask)[:, :3])


def test_a_row_of_padding_attends_to_all_alike() -> None:
    layer = randomised(8, 2)
    hidden = RNG.normal(size=(1, 5, 8)).astype("float32")
    value = layer.value_projection(hidden)
    expected = layer.output_projection(ops.mean(value, axis=1, keepdims=True))
    outputs = layer(hidden, np.zeros((1, 5), "int32"))
    np.testing.assert_allclose(outputs, np.repeat(expected, 5, axis=1), rtol=1e-4, atol=1e-4)


def test_large_scores_do_not_overflow() -> None:
    layer = randomised(8, 2)
    outputs = ops.convert_to_numpy(layer(np.full((1, 5, 8), 1e4, "float32"), np.array([[1, 1, 1, 0, 0]])))
    assert np.isfinite(outputs).all()


def test_dropout_is_on_the_weights_of_the_attention() -> None:
    """With one key that is a token, the context is 0 where it is dropped, and twice the value elsewhere."""
    layer = randomised(4, 2, dropout=0.5)
    layer.output_projection.kernel.assign(np.eye(4))
    layer.output_projection.bias.assign(np.zeros(4))
    hidden = np.repeat(RNG.normal(size=(1, 2, 4)), 200, axis=0).astype("float32")
    outputs = ops.convert_to_numpy(layer(hidden, np.array([[1, 0]] * 200), training=True))[:, 0].reshape(200, 2, 2)
    value = ops.convert_to_numpy(layer.value_projection(hidden))[:, 0].reshape(200, 2, 2)
    dropped = (outputs == 0).all(axis=-1)
    assert dropped.mean() == pytest.approx(0.5, abs=0.1)
    assert (dropped[:, 0] != dropped[:, 1]).any()
    np.testing.assert_allclose(outputs[~dropped], 2 * value[~dropped], rtol=1e-5)


def test_mixed_precision_is_close_to_float32() -> None:
    layer, mixed = randomised(8, 2), SelfAttention(2, dtype="mixed_bfloat16")
    mixed.build((None, None, 8))
    for ours, theirs in zip(mixed.trainable_variables, layer.trainable_variables, strict=True):
        ours.assign(theirs)
    hidden, mask = RNG.normal(size=(2, 5, 8)).astype("float32"), np.array([[1, 1, 1, 0, 0]] * 2)
    outputs = mixed(hidden, mask)
    assert (outputs.dtype, {str(variable.dtype) for variable in mixed.trainable_variables}) == ("bfloat16", {"float32"})
    expected = ops.convert_to_numpy(layer(hidden, mask))
    # Eight bits of mantissa, a few operations deep.
    difference = np.abs(ops.convert_to_numpy(ops.cast(outputs, "float32")) - expected)
    assert difference.max() < 0.05 * np.abs(expected).max()


def test_builds_itself_on_the_first_call() -> None:
    assert SelfAttention(2)(np.ones((1, 3, 4), "float32"), np.ones((1, 3))).shape == (1, 3, 4)


def test_configuration() -> None:
    layer = SelfAttention(
        2, dropout=0.2, initializer_range=0.3, seed=4, execution=Execution(replica_id=lambda: 1), name="here"
    )
    copy = SelfAttention.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.num_heads, copy.dropout.rate, copy.initializer_range, copy.dropout.seed) == (2, 0.2, 0.3, 4)


def test_heads_must_divide_the_width() -> None:
    message = "`num_heads` must divide the width of the inputs. Received: num_heads=3, width=8."
    with pytest.raises(ValueError, match=re.escape(message)):
        SelfAttention(3).build((None, None, 8))
