"""The encoder as a graph for CPUs: sentences one after the other, padded nowhere but within attention.

TensorFlow's optimiser turns the graph into a few fused operators of oneDNN, if it is written the way it expects:

* A dense layer is MatMul, BiasAdd and, where there is one, the activation or the residual of the feed-forward part. Its
  weights are constants of the graph: oneDNN brings a constant into its own order once, a variable at each call.
* A norm is a batch norm over rows that are seen as channels, then gamma and beta.  No other form is recognised, and
  none that is not recognised can run: batch norm on CPUs takes channels last.  `fused_norm=False` is for such CPUs.
* Queries, keys and values come from one matrix.
* Scores are BatchMatMul, a product with a number and a sum with a mask of which one is there for all heads.
* Where `[CLS]` alone is pooled, nothing else goes through what comes after the last attention.

The table of token embeddings is no part of the graph: as a constant it would take gigabytes to optimise, and rows of an
array are looked up as fast.

All layers but the last are copies of one: to write an operator down takes Python a fifth of a millisecond, and a graph
of 24 layers three thousand of them; to copy a layer takes a few milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import tensorflow as tf

from lealla_tf.config import EncoderConfig

Weights = Mapping[str, np.ndarray[Any, Any]]

# Names of the graph's inputs and outputs.
TOKEN_EMBEDDINGS, LENGTHS = "token_embeddings:0", "lengths:0"
EMBEDDINGS, RELIABLE = "embeddings:0", "reliable:0"

# Sums of exponentials that can be relied on. The exponentials that underflow, below -87, are then beyond the precision
# of float32 beside the largest, and none has overflowed.
_SMALLEST_SUM, _LARGEST_SUM = float(np.exp(-45.0)), float(np.exp(60.0))

_DENSE, _NORM = ("kernel", "bias"), ("gamma", "beta")

# Added to the scores of padding, in place of minus infinity. Padding has the score of its sentence's first token,
# beside which exp(-40), times all padding, is beyond the precision of float32; and exp seldom gets numbers that
# underflow, which take it longer.
_MASKED = -40.0


def build_graph(
    weights: Weights,
    config: EncoderConfig,
    *,
    dtype: str = "float32",
    softmax: bool = False,
    fused_norm: bool = True,
) -> tf.Graph:
    """The graph from the tokens' embeddings to the sentences'.

    Its inputs are `token_embeddings` float32 `(tokens, dim)`, the rows of the token table for
    all sentences one after the other, and `lengths` int32 `(sentences,)`, how many of them each
    sentence has, at least one.  Its outputs are `embeddings` float32 `(sentences, dim)`, of unit
    length, and `reliable`, a bool.

    Attention is exp(s) / sum(exp(s)) as it stands: to subtract each row's largest score first,
    as softmax does, costs a tenth of the whole for short sentences, and is needed only where a
    score is large.  Where one is, `reliable` is false, and the embeddings are to be taken from
    the graph with `softmax`.

    Args:
        weights: By the names of `lealla_tf.checkpoints.encoder_weights`.
        config: The shape of the encoder.
        dtype: Of the layers between the embeddings' norm and the pooling, which are in float32: `float32`,
            or `bfloat16`, which keeps 8 of its 24 bits and takes half of its room.
        softmax: Whether attention is safe for scores of any size; `reliable` is then always true.
        fused_norm: Whether norms are written in the form that oneDNN fuses, and only oneDNN runs.
    """
    graph = tf.Graph()
    with graph.as_default():
        inputs = tf.compat.v1.placeholder(tf.float32, [None, config.hidden_dim], name="token_embeddings")
        lengths = tf.compat.v1.placeholder(tf.int32, [None], name="lengths")
        layers = _Layers(weights, config, _layout(lengths, config.num_heads), softmax, fused_norm)
        hidden = tf.cast(layers.embed(inputs), dtype)
        template = None
        for number in range(config.num_layers):
            arrays = layers.arrays(number)
            constants = {name: tf.constant(array, dtype) for name, array in arrays.items()}
            if number == config.num_layers - 1 and config.pooling == "cls_tanh":
                hidden = layers.transform(hidden, constants, only_first=True)
            else:
                template = template or _Template(layers, arrays, dtype)
                hidden = template.copy(layers, hidden, constants, f"layer_{number}")
        pooled = layers.pool(tf.cast(hidden, tf.float32))
        if config.embedding_dim:
            pooled = layers.project(_unit_length(pooled), "reduction")
        _unit_length(pooled, "embeddings")
        layers.tell_reliable("reliable")
    return graph


@dataclass(frozen=True)
class _Layout:
    """Where the tokens of a batch are: packed, `(tokens,)`, and for attention padded, `(batch, longest)`."""

    starts: Any
    """int32 `(batch,)`: the packed place of each sentence's first token."""
    sentences: Any
    """int32 `(tokens,)`: the sentence of each."""
    positions: Any
    """int32 `(tokens,)`: places within the sentence."""
    to_heads: Any
    """int32 `(3, batch, heads, longest)`: rows of the packed `(tokens * 3 * heads, head_dim)`; for padding, of the
    sentence's first token."""
    from_heads: Any
    """int32 `(tokens, heads)`: rows of the padded `(batch * heads * longest, head_dim)`."""
    mask: Any
    """float32 `(batch, 1, 1, longest)`: what is added to the scores of each key."""


def _layout(lengths: Any, num_heads: int) -> _Layout:
    """The layout of sentences of these lengths."""
    longest = tf.reduce_max(lengths)
    starts = tf.cumsum(lengths, exclusive=True)
    places = tf.range(longest)
    is_token = places < lengths[:, None]
    sentences, positions = tf.unstack(tf.cast(tf.where(is_token), tf.int32), axis=1)
    tokens = starts[:, None] + tf.where(is_token, places, 0)
    heads = tf.range(num_heads)
    parts = num_heads * tf.range(3)
    return _Layout(
        starts=starts,
        sentences=sentences,
        positions=positions,
        to_heads=3 * num_heads * tokens[:, None] + heads[:, None] + parts[:, None, None, None],
        from_heads=(sentences[:, None] * num_heads + heads) * longest + positions[:, None],
        mask=tf.where(is_token, 0.0, _MASKED)[:, None, None, :],
    )


class _Layers:
    """The parts of the encoder, added to the default graph."""

    def __init__(
        self, weights: Weights, config: EncoderConfig, layout: _Layout, softmax: bool, fused_norm: bool
    ) -> None:
        self.weights, self.config, self.layout = weights, config, layout
        self.softmax, self.fused_norm = softmax, fused_norm
        self.smallest_sums: list[Any] = []
        self.largest_sums: list[Any] = []

    def embed(self, token_embeddings: Any) -> Any:
        """norm(token + position + segment 0)."""
        table = self.weights["embeddings/position/embeddings"] + self.weights["embeddings/segment/embeddings"][0]
        positions = tf.gather(tf.constant(table), self.layout.positions)
        norm = {part: tf.constant(self.weights[f"embeddings/{part}"]) for part in (f"norm/{what}" for what in _NORM)}
        return self._norm(token_embeddings + positions, norm, "norm")

    def arrays(self, number: int) -> dict[str, Any]:
        """The weights of a layer, with queries, keys and values side by side."""
        prefix = f"layer_{number}/"
        arrays = {name.removeprefix(prefix): self.weights[name] for name in self.weights if name.startswith(prefix)}
        for what in ("kernel", "bias"):
            parts = [arrays.pop(f"attention/{part}/{what}") for part in ("query", "key", "value")]
            arrays[f"attention/input/{what}"] = np.concatenate(parts, axis=-1)
        return arrays

    def transform(self, hidden: Any, weights: Mapping[str, Any], only_first: bool) -> Any:
        """A layer of these weights, `(tokens, dim)`, or of the first token of each sentence alone, `(batch, dim)`."""
        context = self._attend(hidden, weights, only_first)
        if only_first:
            hidden = tf.gather(hidden, self.layout.starts)
        hidden = self._norm(hidden + _dense(context, weights, "attention/output"), weights, "attention_norm")
        expanded = _activate(_dense(hidden, weights, "intermediate"), self.config.activation)
        return self._norm(hidden + _dense(expanded, weights, "output"), weights, "output_norm")

    def _attend(self, hidden: Any, weights: Mapping[str, Any], only_first: bool) -> Any:
        """What the tokens, or the first of each sentence, attend to."""
        layout = self.layout
        head_dim = self.config.hidden_dim // self.config.num_heads
        projected = tf.reshape(_dense(hidden, weights, "attention/input"), [-1, head_dim])
        query, key, value = tf.unstack(tf.gather(projected, layout.to_heads))
        if only_first:
            query = query[:, :, :1]
        scores = tf.matmul(query, key, transpose_b=True) * head_dim**-0.5 + tf.cast(layout.mask, query.dtype)
        context = self._average(scores, value)
        if not only_first:
            context = tf.gather(tf.reshape(context, [-1, head_dim]), layout.from_heads)
        return tf.reshape(context, [-1, self.config.hidden_dim])

    def pool(self, hidden: Any) -> Any:
        """The pooled output `(batch, feature_dim)`."""
        if self.config.pooling == "cls_tanh":
            return tf.tanh(self.project(hidden, "pooler"))
        mean = tf.math.segment_mean(hidden, self.layout.sentences)
        return self.project(mean, "pooler") if self.config.pooled_dim else mean

    def project(self, inputs: Any, name: str) -> Any:
        """W x + b, after the layers."""
        return _dense(inputs, {f"{name}/{part}": tf.constant(self.weights[f"{name}/{part}"]) for part in _DENSE}, name)

    def _norm(self, inputs: Any, weights: Mapping[str, Any], name: str) -> Any:
        """The norm of each row `(rows, dim)`: gamma (x - mean) / sqrt(variance + epsilon) + beta."""
        gamma, beta = (weights[f"{name}/{part}"] for part in _NORM)
        epsilon = self.config.layer_norm_epsilon
        if not self.fused_norm:
            mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
            return (inputs - mean) * tf.math.rsqrt(variance + epsilon) * gamma + beta
        shape = tf.shape(inputs)
        nothing = tf.constant([], tf.float32)
        normalised = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(inputs, tf.stack([1, shape[0], shape[1], 1])),
            scale=tf.fill(shape[:1], 1.0),
            offset=tf.fill(shape[:1], 0.0),
            mean=nothing,
            variance=nothing,
            epsilon=epsilon,
            data_format="NCHW",
            is_training=True,
        ).y
        return tf.reshape(normalised, shape) * gamma + beta

    def tell_reliable(self, name: str) -> None:
        """Whether all sums of exponentials were within the bounds."""
        if self.softmax:
            tf.constant(True, name=name)
            return
        smallest, largest = tf.stack(self.smallest_sums), tf.stack(self.largest_sums)
        # Of each layer by itself, as the least and the largest of numbers and NaN may be a number.
        tf.reduce_all((smallest >= _SMALLEST_SUM) & (largest <= _LARGEST_SUM), name=name)

    def _average(self, scores: Any, value: Any) -> Any:
        """The values weighted by softmax of the scores."""
        if self.softmax:
            return tf.matmul(tf.nn.softmax(scores), value)
        # In float32: faster, with both conversions, than exp of bfloat16, and the sums are rounded but once.
        exponentials = tf.exp(tf.cast(scores, tf.float32))
        sums = tf.reduce_sum(exponentials, axis=-1, keepdims=True)
        self.smallest_sums.append(tf.reduce_min(sums))
        self.largest_sums.append(tf.reduce_max(sums))
        # After the product with the values, which is smaller than the weights for all but the shortest sentences.
        return tf.matmul(tf.cast(exponentials, value.dtype), value) / tf.cast(sums, value.dtype)


class _Template:
    """A layer of placeholders, to be copied with the weights of each.

    Args:
        layers: Where it is to be copied to.
        arrays: Weights of the shapes of every layer's.
        dtype: Of the layers.
    """

    def __init__(self, layers: _Layers, arrays: Mapping[str, Any], dtype: str) -> None:
        def like(tensor: Any, name: str) -> Any:
            return tf.compat.v1.placeholder(tensor.dtype, tensor.shape, name)

        with tf.Graph().as_default() as graph:
            layout = _Layout(**{name: like(tensor, name) for name, tensor in _by_name(layers.layout).items()})
            own = _Layers(layers.weights, layers.config, layout, layers.softmax, layers.fused_norm)
            weights = {name: tf.compat.v1.placeholder(dtype, array.shape, name) for name, array in arrays.items()}
            hidden = tf.compat.v1.placeholder(dtype, [None, layers.config.hidden_dim], "hidden")
            outputs = [own.transform(hidden, weights, only_first=False), *own.smallest_sums, *own.largest_sums]
        self._graph, self._outputs = graph.as_graph_def(), [output.name for output in outputs]

    def copy(self, layers: _Layers, hidden: Any, weights: Mapping[str, Any], name: str) -> Any:
        """What `layers.transform` gives of all tokens."""
        inputs = {**_by_name(layers.layout), **weights, "hidden": hidden}
        mapped = {f"{placeholder}:0": tensor for placeholder, tensor in inputs.items()}
        transformed, *sums = tf.graph_util.import_graph_def(self._graph, mapped, self._outputs, name=name)
        if sums:
            layers.smallest_sums.append(sums[0])
            layers.largest_sums.append(sums[1])
        return transformed


def _by_name(layout: _Layout) -> dict[str, Any]:
    """The tensors of a layout."""
    return {field.name: getattr(layout, field.name) for field in fields(layout)}


def _dense(inputs: Any, weights: Mapping[str, Any], name: str) -> Any:
    """A dense layer's MatMul and BiasAdd."""
    return tf.nn.bias_add(tf.matmul(inputs, weights[f"{name}/kernel"]), weights[f"{name}/bias"])


def _unit_length(vectors: Any, name: str | None = None) -> Any:
    """Vectors, each divided by its norm."""
    squares = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True)
    return tf.multiply(vectors, tf.math.rsqrt(tf.maximum(squares, 1e-24)), name=name)


def _activate(inputs: Any, activation: str) -> Any:
    """The activation of a dense layer, in the form that is fused with it."""
    if activation == "relu":
        return tf.nn.relu(inputs)
    if activation == "gelu_tanh":
        return tf.nn.gelu(inputs, approximate=True)
    return 0.5 * inputs * (1.0 + tf.math.erf(inputs * tf.constant(np.sqrt(0.5), inputs.dtype)))
