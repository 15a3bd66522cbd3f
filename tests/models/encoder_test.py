import dataclasses
import itertools
import math
import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from lealla_tf.config import EncoderConfig
from lealla_tf.layers.execution import Execution
from lealla_tf.models.encoder import Encoder, count_parameters, unit_length, weight_shapes

Array = np.ndarray[Any, Any]

CONFIG = EncoderConfig(
    vocabulary_size=30, hidden_dim=8, num_layers=3, num_heads=2, intermediate_dim=12, max_positions=9, dropout=0.0
)
TOKEN_IDS = np.array([[2, 7, 9, 11, 3], [2, 3, 0, 0, 0], [2, 29, 5, 3, 0]], "int32")
INPUTS = {
    "token_ids": TOKEN_IDS,
    "padding_mask": (TOKEN_IDS != 0).astype("int32"),
    "segment_ids": np.array([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]], "int32"),
}


def randomised(**kwargs: Any) -> Encoder:
    """An encoder whose weights, biases and norms too, are far from what the initialisers give."""
    encoder = Encoder.from_encoder_config(CONFIG, **kwargs)
    rng = np.random.default_rng(0)
    for weight in encoder.trainable_variables:
        weight.assign(rng.normal(size=weight.shape).astype("float32"))
    return encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return randomised()


def with_weights_of(encoder: Encoder, **changes: Any) -> Encoder:
    other = Encoder.from_config({**encoder.get_config(), **changes})
    for ours, theirs in zip(other.trainable_variables, encoder.trainable_variables, strict=True):
        ours.assign(theirs)
    return other


def reference(weights: dict[str, Array], inputs: dict[str, Array], config: EncoderConfig) -> dict[str, Any]:
    """BERT's forward pass in float64, written from its description."""

    def dense(values: Array, path: str) -> Array:
        result: Array = values @ weights[f"{path}/kernel"] + weights[f"{path}/bias"]
        return result

    def norm(values: Array, path: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True) + config.layer_norm_epsilon
        result: Array = centred / np.sqrt(variance) * weights[f"{path}/gamma"] + weights[f"{path}/beta"]
        return result

    def attention(values: Array, path: str) -> Array:
        batch, length, width = values.shape
        heads = (batch, length, config.num_heads, width // config.num_heads)
        query, key, value = (dense(values, f"{path}/{name}").reshape(heads) for name in ("query", "key", "value"))
        scores = np.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(heads[-1])
        scores = np.where(inputs["padding_mask"][:, None, None, :] == 1, scores, -np.inf)
        exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context = np.einsum("bhqk,bkhd->bqhd", exponentials / exponentials.sum(axis=-1, keepdims=True), value)
        return dense(context.reshape(values.shape), f"{path}/output")

    token, position, segment = (weights[f"embeddings/{name}/embeddings"] for name in ("token", "position", "segment"))
    length = inputs["token_ids"].shape[1]
    hidden = norm(token[inputs["token_ids"]] + position[:length] + segment[inputs["segment_ids"]], "embeddings/norm")
    outputs = []
    for layer in (f"layer_{number}" for number in range(config.num_layers)):
        hidden = norm(hidden + attention(hidden, f"{layer}/attention"), f"{layer}/attention_norm")
        inner = dense(hidden, f"{layer}/intermediate")
        inner = 0.5 * inner * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        hidden = norm(hidden + dense(inner, f"{layer}/output"), f"{layer}/output_norm")
        outputs.append(hidden)
    if config.pooling == "mean":
        pooled = np.stack(
            [row[mask == 1].mean(axis=0) for row, mask in zip(hidden, inputs["padding_mask"], strict=True)]
        )
    else:
        pooled = hidden[:, 0]
    if config.pooling == "cls_tanh" or config.pooled_dim:
        pooled = dense(pooled, "pooler")
    if config.pooling == "cls_tanh":
        pooled = np.tanh(pooled)
    if config.embedding_dim:
        pooled = dense(pooled / np.linalg.norm(pooled, axis=-1, keepdims=True), "reduction")
    embedding = pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)
    return {"embedding": embedding, "pooled_output": pooled, "sequence_output": hidden, "encoder_outputs": outputs}


def weights_of(encoder: Encoder) -> dict[str, Array]:
    return {weight.path.removeprefix("encoder/"): weight.numpy().astype("float64") for weight in encoder.weights}


def test_against_numpy(encoder: Encoder) -> None:
    expected = reference(weights_of(encoder), INPUTS, CONFIG)
    outputs = encoder(INPUTS)
    assert outputs.keys() == expected.keys()
    for name in ("embedding", "pooled_output"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-3, atol=1e-4)
    # Under padding too: it attends to the tokens as they do.
    np.testing.assert_allclose(outputs["sequence_output"], expected["sequence_output"], rtol=1e-3, atol=1e-3)
    assert len(outputs["encoder_outputs"]) == CONFIG.num_layers
    for ours, theirs in zip(outputs["encoder_outputs"], expected["encoder_outputs"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_pooling_by_the_mean_against_numpy() -> None:
    config = dataclasses.replace(CONFIG, pooling="mean", initializer_range=0.3)
    encoder = Encoder.from_encoder_config(config)
    expected = reference(weights_of(encoder), INPUTS, config)
    outputs = encoder(INPUTS)
    for name in ("embedding", "pooled_output"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(encoder.embed(INPUTS), expected["embedding"], rtol=1e-3, atol=1e-4)
    assert not [weight for weight in encoder.weights if "pooler" in weight.path]


@pytest.mark.parametrize("pooling", ["cls_tanh", "mean"])
@pytest.mark.parametrize(("pooled_dim", "embedding_dim"), [(13, 0), (0, 3), (13, 3)])
def test_wider_pooling_and_reduction_against_numpy(pooling: str, pooled_dim: int, embedding_dim: int) -> None:
    config = dataclasses.replace(
        CONFIG, pooling=pooling, pooled_dim=pooled_dim, embedding_dim=embedding_dim, initializer_range=0.3
    )
    encoder = Encoder.from_encoder_config(config)
    for layer in (encoder.pooler, encoder.reduction):
        if layer is not None:
            layer.bias.assign(np.linspace(-0.5, 0.5, layer.units))
    expected = reference(weights_of(encoder), INPUTS, config)
    outputs = encoder(INPUTS)
    for name in ("embedding", "pooled_output"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-3, atol=1e-4)
    assert outputs["embedding"].shape == (3, config.dim) == (3, embedding_dim or pooled_dim)
    np.testing.assert_allclose(encoder.embed(INPUTS), expected["embedding"], rtol=1e-3, atol=1e-4)
    features = encoder.features(INPUTS)
    assert features.shape == (3, pooled_dim or CONFIG.hidden_dim)
    np.testing.assert_allclose(np.linalg.norm(features, axis=-1), 1, rtol=1e-5)
    expected_sizes = {name: tuple(weight.shape) for name, weight in weights_of(encoder).items()}
    assert weight_shapes(config) == expected_sizes
    assert Encoder.from_config(encoder.get_config()).config == config


def test_the_mean_of_nothing_but_padding_is_finite() -> None:
    encoder = Encoder.from_encoder_config(dataclasses.replace(CONFIG, pooling="mean"))
    nothing = {"token_ids": np.zeros((1, 4), "int32"), "padding_mask": np.zeros((1, 4), "int32")}
    np.testing.assert_array_equal(encoder(nothing)["pooled_output"], np.zeros((1, CONFIG.hidden_dim)))


def test_embed_is_the_embedding_of_the_call(encoder: Encoder) -> None:
    np.testing.assert_allclose(encoder.embed(INPUTS), encoder(INPUTS)["embedding"], rtol=1e-4, atol=1e-6)


def test_embeddings_have_unit_length(encoder: Encoder) -> None:
    np.testing.assert_allclose(np.linalg.norm(encoder.embed(INPUTS), axis=-1), 1, rtol=1e-6)


def test_without_segments_all_are_0(encoder: Encoder) -> None:
    without = {name: value for name, value in INPUTS.items() if name != "segment_ids"}
    zeros = {**without, "segment_ids": np.zeros_like(TOKEN_IDS)}
    for embed in (encoder.embed, lambda inputs: encoder(inputs)["embedding"]):
        np.testing.assert_allclose(embed(without), embed(zeros), rtol=1e-6)
        assert np.abs(np.subtract(embed(without), embed(INPUTS))).max() > 1e-2


@pytest.mark.parametrize("more", [1, 4])
def test_more_padding_does_not_change_the_embedding(encoder: Encoder, more: int) -> None:
    padded = {name: np.pad(value, ((0, 0), (0, more))) for name, value in INPUTS.items()}
    np.testing.assert_allclose(encoder.embed(padded), encoder.embed(INPUTS), rtol=1e-4, atol=1e-6)


def test_what_stands_under_padding_does_not_matter(encoder: Encoder) -> None:
    padding = INPUTS["padding_mask"] == 0
    changed = {**INPUTS, "token_ids": np.where(padding, 17, TOKEN_IDS), "segment_ids": INPUTS["segment_ids"] | padding}
    np.testing.assert_array_equal(encoder.embed(changed), encoder.embed(INPUTS))


def test_a_sentence_is_embedded_alike_in_every_batch(encoder: Encoder) -> None:
    alone = {name: value[1:2] for name, value in INPUTS.items()}
    np.testing.assert_allclose(encoder.embed(alone)[0], encoder.embed(INPUTS)[1], rtol=1e-4, atol=1e-6)


def test_the_order_of_the_tokens_matters(encoder: Encoder) -> None:
    swapped = {**INPUTS, "token_ids": TOKEN_IDS[:, [0, 2, 1, 3, 4]]}
    assert np.abs(np.subtract(encoder.embed(swapped)[0], encoder.embed(INPUTS)[0])).max() > 1e-3


def test_a_row_of_padding_is_finite(encoder: Encoder) -> None:
    inputs = {"token_ids": np.zeros((1, 5), "int32"), "padding_mask": np.zeros((1, 5), "int32")}
    assert np.isfinite(encoder.embed(inputs)).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graphs_and_xla_give_the_same(encoder: Encoder, jit_compile: bool) -> None:
    compiled = tf.function(encoder.embed, jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(INPUTS), encoder.embed(INPUTS), rtol=1e-4, atol=1e-5)


def test_a_graph_takes_batches_of_every_shape(encoder: Encoder) -> None:
    signature = {name: tf.TensorSpec((None, None), tf.int32) for name in INPUTS}
    compiled = tf.function(encoder.embed, input_signature=[signature])
    for part in (slice(0, 3), slice(1, 2)):
        inputs = {name: value[part, : 2 + part.stop] for name, value in INPUTS.items()}
        np.testing.assert_allclose(compiled(inputs), encoder.embed(inputs), rtol=1e-4, atol=1e-5)


def test_dropout_is_for_training_alone(encoder: Encoder) -> None:
    dropping = with_weights_of(encoder, dropout=0.5)
    np.testing.assert_array_equal(dropping.embed(INPUTS), encoder.embed(INPUTS))
    first, second = (ops.convert_to_numpy(dropping.embed(INPUTS, training=True)) for _ in range(2))
    assert np.abs(first - encoder.embed(INPUTS)).max() > 1e-2
    assert np.abs(first - second).max() > 1e-2


def test_the_masks_follow_from_the_seed_and_the_replica(encoder: Encoder) -> None:
    def embed(seed: int, replica: int | None) -> Array:
        config = {**encoder.get_config(), "dropout": 0.5, "seed": seed}
        execution = Execution(replica_id=None if replica is None else lambda: replica)
        dropping = Encoder(**config, execution=execution)
        for ours, theirs in zip(dropping.trainable_variables, encoder.trainable_variables, strict=True):
            ours.assign(theirs)
        return ops.convert_to_numpy(dropping.embed(INPUTS, training=True))

    np.testing.assert_array_equal(embed(5, None), embed(5, None))
    np.testing.assert_array_equal(embed(5, None), embed(5, 0))
    assert np.abs(embed(5, None) - embed(6, None)).max() > 1e-2
    assert np.abs(embed(5, 0) - embed(5, 1)).max() > 1e-2


def test_every_dropout_asks_for_the_replica() -> None:
    """One that does not draws the same mask on all replicas, which no loss would show."""
    asked = itertools.count()
    config = EncoderConfig(vocabulary_size=30, hidden_dim=8, num_layers=2, num_heads=2, intermediate_dim=12)
    encoder = Encoder.from_encoder_config(config, execution=Execution(replica_id=lambda: next(asked)))
    encoder.embed(INPUTS, training=True)
    assert next(asked) == 1 + 3 * 2


def test_every_dropout_has_a_seed_of_its_own() -> None:
    encoder = Encoder.from_encoder_config(EncoderConfig(vocabulary_size=5, num_layers=3), seed=10)
    seeds = [int(variable.numpy()[0]) for variable in encoder.non_trainable_variables]
    assert seeds == list(range(10, 10 + 1 + 3 * 3))


def test_mixed_precision(encoder: Encoder) -> None:
    """The embedding stays float32 and near; the layers compute in bfloat16, with float32 weights."""
    mixed = with_weights_of(encoder, dtype="mixed_bfloat16")
    outputs = mixed(INPUTS)
    assert {name: outputs[name].dtype for name in ("embedding", "pooled_output", "sequence_output")} == {
        "embedding": "float32",
        "pooled_output": "float32",
        "sequence_output": "bfloat16",
    }
    assert {str(weight.dtype) for weight in mixed.weights} == {"float32"}
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=-1), 1, rtol=1e-6)
    cosines = np.sum(outputs["embedding"] * encoder(INPUTS)["embedding"], axis=-1)
    assert cosines.min() > 0.995


def test_mixed_precision_as_the_policy_of_the_process(encoder: Encoder) -> None:
    """What names no dtype of its own takes this one; the pooler must name float32."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = Encoder.from_encoder_config(CONFIG)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(mixed.embed(INPUTS), with_weights_of(encoder, dtype="mixed_bfloat16").embed(INPUTS))


def test_configuration() -> None:
    encoder = Encoder.from_encoder_config(CONFIG, seed=3, execution=Execution(replica_id=lambda: 1), name="student")
    copy = Encoder.from_config(encoder.get_config())
    assert copy.get_config() == encoder.get_config()
    assert (copy.config, copy.seed, copy.name) == (CONFIG, 3, "student")
    assert [weight.path for weight in copy.weights] == [weight.path for weight in encoder.weights]


def test_what_the_configuration_refuses_the_encoder_refuses() -> None:
    message = "`hidden_dim` must be a multiple of `num_heads`. Received: hidden_dim=8, num_heads=3."
    with pytest.raises(ValueError, match=re.escape(message)):
        Encoder(vocabulary_size=30, hidden_dim=8, num_layers=1, num_heads=3, intermediate_dim=12)


def test_golden_weights() -> None:
    """These names are in files: changing one makes all checkpoints unreadable."""
    encoder = Encoder(30, 8, 1, 2, 12, max_positions=9, num_segments=2)
    assert [(weight.path, tuple(weight.shape)) for weight in encoder.weights] == [
        ("encoder/embeddings/token/embeddings", (30, 8)),
        ("encoder/embeddings/position/embeddings", (9, 8)),
        ("encoder/embeddings/segment/embeddings", (2, 8)),
        ("encoder/embeddings/norm/gamma", (8,)),
        ("encoder/embeddings/norm/beta", (8,)),
        ("encoder/layer_0/attention/query/kernel", (8, 8)),
        ("encoder/layer_0/attention/query/bias", (8,)),
        ("encoder/layer_0/attention/key/kernel", (8, 8)),
        ("encoder/layer_0/attention/key/bias", (8,)),
        ("encoder/layer_0/attention/value/kernel", (8, 8)),
        ("encoder/layer_0/attention/value/bias", (8,)),
        ("encoder/layer_0/attention/output/kernel", (8, 8)),
        ("encoder/layer_0/attention/output/bias", (8,)),
        ("encoder/layer_0/attention_norm/gamma", (8,)),
        ("encoder/layer_0/attention_norm/beta", (8,)),
        ("encoder/layer_0/output_norm/gamma", (8,)),
        ("encoder/layer_0/output_norm/beta", (8,)),
        ("encoder/layer_0/intermediate/kernel", (8, 12)),
        ("encoder/layer_0/intermediate/bias", (12,)),
        ("encoder/layer_0/output/kernel", (12, 8)),
        ("encoder/layer_0/output/bias", (8,)),
        ("encoder/pooler/kernel", (8, 8)),
        ("encoder/pooler/bias", (8,)),
    ]


@pytest.mark.parametrize("pooling", ["cls_tanh", "mean"])
def test_weight_shapes_are_those_of_the_encoder(pooling: str) -> None:
    config = dataclasses.replace(CONFIG, pooling=pooling)
    weights = Encoder.from_encoder_config(config).trainable_variables
    assert weight_shapes(config) == {weight.path.removeprefix("encoder/"): tuple(weight.shape) for weight in weights}


def test_names_are_the_same_in_every_encoder_of_a_process() -> None:
    """Keras numbers layers that have no name of their own: encoder, encoder_1, ..."""
    first, second = (Encoder.from_encoder_config(CONFIG) for _ in range(2))
    assert [weight.path for weight in second.weights] == [weight.path for weight in first.weights]


def test_count_parameters_by_hand() -> None:
    """V = 30, P = 9, S = 2, L = 1, H = 2, F = 3: tables and norm 86, a layer 49, pooler 6."""
    config = EncoderConfig(
        vocabulary_size=30, hidden_dim=2, num_layers=1, num_heads=1, intermediate_dim=3, max_positions=9
    )
    expected = {
        "embeddings": 30 * 2 + 9 * 2 + 2 * 2 + 2 * 2,
        # four projections, two dense layers, two norms
        "layers": 4 * (4 + 2) + (2 * 3 + 3) + (3 * 2 + 2) + 2 * (2 + 2),
        "pooler": 4 + 2,
        "reduction": 0,
    }
    assert count_parameters(config) == {**expected, "total": 86 + 49 + 6}
    assert Encoder.from_encoder_config(config).count_params() == 86 + 49 + 6
    mean = dataclasses.replace(config, pooling="mean")
    assert count_parameters(mean) == {**expected, "pooler": 0, "total": 86 + 49}
    assert Encoder.from_encoder_config(mean).count_params() == 86 + 49
    # 2 -> 5 -> 3
    reduced = dataclasses.replace(mean, pooled_dim=5, embedding_dim=3)
    total = 86 + 49 + 15 + 18
    assert count_parameters(reduced) == {**expected, "pooler": 10 + 5, "reduction": 15 + 3, "total": total}
    assert Encoder.from_encoder_config(reduced).count_params() == total


# --- unit_length


def test_unit_length_by_hand() -> None:
    vectors = unit_length(np.array([[3.0, 4.0], [0.0, -2.0]]))
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, -1.0]], rtol=1e-6)


@pytest.mark.parametrize("length", [1e-8, 1.0, 1e15])
def test_unit_length_of_short_and_long_vectors(length: float) -> None:
    vectors = unit_length(length * np.array([[0.6, 0.8]]))
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], rtol=1e-5)


def test_unit_length_of_a_zero_vector() -> None:
    """Zero, with a gradient that is finite: one such row must not spoil a whole batch."""
    vectors = tf.zeros((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        result = unit_length(vectors)
    np.testing.assert_array_equal(result, np.zeros((2, 3)))
    assert np.isfinite(tape.gradient(result, vectors)).all()


def test_unit_length_is_computed_in_float32() -> None:
    vectors = unit_length(tf.constant([[300.0, 400.0]], tf.float16))  # 500 ** 2 is more than float16 holds
    assert vectors.dtype == tf.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], rtol=1e-6)
