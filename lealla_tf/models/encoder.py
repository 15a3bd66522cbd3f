"""The sentence encoder: a BERT encoder whose pooled output gives the embedding."""

import dataclasses
from typing import Any

import keras
from keras import ops

from lealla_tf.config import EncoderConfig
from lealla_tf.layers.embeddings import TokenEmbedding
from lealla_tf.layers.execution import PLAIN, Execution
from lealla_tf.layers.transformer import TransformerLayer

_SEEDS_PER_LAYER = 3


class Encoder(keras.Model):
    """embedding = pooled_output / |pooled_output| of a post-norm Transformer.

        pooled_output = tanh(W h_[CLS] + b)             (pooling = cls_tanh, the paper's)
        pooled_output = sum_i m_i h_i / sum_i m_i       (pooling = mean; m: the padding mask)

    The embedding is as wide as the hidden layers; there is no projection.  It is computed
    in float32 under every dtype policy.

    With `pooled_dim`, W has so many outputs, and the mean goes through such a layer without
    tanh.  With `embedding_dim` a further dense layer reduces the *features*, which are what
    the embedding would be without it:

        features = p / |p|, where p is the pooled output from above
        pooled_output = D features + c

    Args:
        vocabulary_size, hidden_dim, num_layers, num_heads, intermediate_dim, max_positions,
            num_segments, activation, pooling, dropout, layer_norm_epsilon, initializer_range,
            embedding_initializer_range, pooled_dim, embedding_dim: see
            `lealla_tf.config.EncoderConfig`, which also validates them.
        seed: Seed of the dropout masks.
        execution: See `lealla_tf.layers.execution.Execution`.

    Call arguments:
        inputs: A dictionary of int32 `(batch, length)`: `token_ids`, `padding_mask` (1 for
            tokens) and, optionally, `segment_ids`.
        training: Whether dropout is active.

    Returns:
        A dictionary: `embedding` and `pooled_output` float32 `(batch, dim)`,
        `sequence_output` `(batch, length, hidden_dim)`, and `encoder_outputs`, the list of
        the layers' outputs.

    Raises:
        ValueError: for arguments that `EncoderConfig` refuses.

    Example:
        >>> encoder = Encoder(vocabulary_size=100, hidden_dim=8, num_layers=2, num_heads=2, intermediate_dim=16)
        >>> token_ids = keras.ops.array([[2, 7, 9, 3, 0]])
        >>> outputs = encoder({"token_ids": token_ids, "padding_mask": token_ids != 0})
        >>> tuple(outputs["embedding"].shape)
        (1, 8)

    Reference: LEALLA, section 4.1; Devlin et al., 2019.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        num_layers: int,
        num_heads: int,
        intermediate_dim: int,
        max_positions: int = 512,
        num_segments: int = 2,
        activation: str = "gelu_tanh",
        pooling: str = "cls_tanh",
        dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        embedding_initializer_range: float = 0.02,
        pooled_dim: int = 0,
        embedding_dim: int = 0,
        seed: int = 0,
        execution: Execution = PLAIN,
        name: str = "encoder",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.config = EncoderConfig(
            vocabulary_size=vocabulary_size,
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            max_positions=max_positions,
            num_segments=num_segments,
            activation=activation,
            pooling=pooling,
            dropout=dropout,
            layer_norm_epsilon=layer_norm_epsilon,
            initializer_range=initializer_range,
            embedding_initializer_range=embedding_initializer_range,
            pooled_dim=pooled_dim,
            embedding_dim=embedding_dim,
        )
        self.seed = seed
        shared: dict[str, Any] = {
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
            "initializer_range": initializer_range,
            "execution": execution,
            "dtype": self.dtype_policy,
        }
        self.embeddings = TokenEmbedding(
            vocabulary_size,
            hidden_dim,
            max_positions,
            num_segments,
            seed=seed,
            name="embeddings",
            **{**shared, "initializer_range": embedding_initializer_range},
        )
        self.transformer_layers = [
            TransformerLayer(
                num_heads,
                intermediate_dim,
                activation,
                seed=seed + 1 + _SEEDS_PER_LAYER * number,
                name=f"layer_{number}",
                **shared,
            )
            for number in range(num_layers)
        ]
        self.pooler = self.reduction = None
        if pooling == "cls_tanh" or pooled_dim:
            self.pooler = self._make_dense("pooler", self.config.feature_dim, "tanh" if pooling == "cls_tanh" else None)
        if embedding_dim:
            self.reduction = self._make_dense("reduction", embedding_dim)
        self._build_weights()

    @classmethod
    def from_encoder_config(cls, config: EncoderConfig, **kwargs: Any) -> "Encoder":
        """The encoder of a configuration; `kwargs` are further constructor arguments."""
        return cls(**dataclasses.asdict(config), **kwargs)

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """All outputs of the encoder."""
        padding_mask = inputs["padding_mask"]
        hidden = self.embeddings(inputs["token_ids"], inputs.get("segment_ids"), training=training)
        encoder_outputs = []
        for layer in self.transformer_layers:
            hidden = layer(hidden, padding_mask, training=training)
            encoder_outputs.append(hidden)
        pooled_output = self._pool(hidden, padding_mask)
        if self.reduction is not None:
            pooled_output = self.reduction(unit_length(pooled_output))
        return {
            "embedding": unit_length(pooled_output),
            "pooled_output": pooled_output,
            "sequence_output": hidden,
            "encoder_outputs": encoder_outputs,
        }

    def embed(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """The embeddings alone, `(batch, dim)`.

        The same as `self(inputs)["embedding"]`, but the last layer computes nothing beyond
        `[CLS]` where that is the only position that is read.
        """
        return self.reduce(self.features(inputs, training=training))

    def features(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """What `reduce` takes: unit-length vectors `(batch, feature_dim)`."""
        padding_mask = inputs["padding_mask"]
        hidden = self.embeddings(inputs["token_ids"], inputs.get("segment_ids"), training=training)
        *layers, last = self.transformer_layers
        for layer in layers:
            hidden = layer(hidden, padding_mask, training=training)
        num_queries = 1 if self.config.pooling == "cls_tanh" else None
        hidden = last(hidden, padding_mask, num_queries=num_queries, training=training)
        return unit_length(self._pool(hidden, padding_mask))

    def reduce(self, features: Any) -> Any:
        """The embeddings `(batch, dim)` that features `(batch, feature_dim)` give."""
        return features if self.reduction is None else unit_length(self.reduction(features))

    def _pool(self, hidden: Any, padding_mask: Any) -> Any:
        """The pooled output `(batch, feature_dim)`, in float32."""
        if self.config.pooling == "cls_tanh":
            pooled = ops.cast(hidden[:, 0], "float32")
        else:
            mask = ops.cast(padding_mask, "float32")[:, :, None]
            # A row of nothing but padding has no mean; its sum is 0.
            count = ops.maximum(ops.sum(mask, axis=1), 1.0)
            pooled = ops.sum(ops.cast(hidden, "float32") * mask, axis=1) / count
        return pooled if self.pooler is None else self.pooler(pooled)

    def _make_dense(self, name: str, width: int, activation: str | None = None) -> keras.layers.Dense:
        """A dense layer on vectors of sentences."""
        return keras.layers.Dense(
            width,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=self.config.initializer_range),
            dtype="float32",
            name=name,
        )

    def _build_weights(self) -> None:
        """Creates all weights now, under their layers' names, without a call."""
        width = self.config.hidden_dim
        with keras.name_scope(self.name):
            self.embeddings.build((None, None))
            for layer in self.transformer_layers:
                layer.build((None, None, width))
            if self.pooler is not None:
                self.pooler.build((None, width))
            if self.reduction is not None:
                self.reduction.build((None, self.config.feature_dim))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that describe the model."""
        return {**super().get_config(), **dataclasses.asdict(self.config), "seed": self.seed}


def unit_length(vectors: Any) -> Any:
    """The vectors, each divided by its Euclidean norm, in float32; a zero vector stays zero.

    Args:
        vectors: Floats `(..., dim)`.
    """
    vectors = ops.cast(vectors, "float32")
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-24))


def weight_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of an encoder's weights, by their names without the encoder's own."""
    width, feed_forward = config.hidden_dim, config.intermediate_dim
    rows = {"token": config.vocabulary_size, "position": config.max_positions, "segment": config.num_segments}
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings/{table}/embeddings": (count, width) for table, count in rows.items()
    }
    norms = ["embeddings/norm"]
    dense = {"pooler": (width, config.feature_dim)} if config.pooling == "cls_tanh" or config.pooled_dim else {}
    if config.embedding_dim:
        dense["reduction"] = (config.feature_dim, config.embedding_dim)
    for layer in (f"layer_{number}" for number in range(config.num_layers)):
        norms += [f"{layer}/attention_norm", f"{layer}/output_norm"]
        dense |= {f"{layer}/attention/{part}": (width, width) for part in ("query", "key", "value", "output")}
        dense |= {f"{layer}/intermediate": (width, feed_forward), f"{layer}/output": (feed_forward, width)}
    shapes |= {f"{name}/{part}": (width,) for name in norms for part in ("gamma", "beta")}
    for name, shape in dense.items():
        shapes |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    return shapes


def count_parameters(config: EncoderConfig) -> dict[str, int]:
    """The closed formula for the number of weights, by part.

    With V words, P positions, S segments, L layers, width H, feed-forward width F, pooled
    width Q (H unless it is set) and embedding width D:

        embeddings = (V + P + S) H + 2 H
        layers     = L (4 (H^2 + H) + 2 H F + F + H + 4 H)
        pooler     = H Q + Q                            (0 with pooling = mean and no `pooled_dim`)
        reduction  = Q D + D                            (0 without `embedding_dim`)

    Returns:
        `embeddings`, `layers`, `pooler`, `reduction` and `total`.
    """
    width, feed_forward = config.hidden_dim, config.intermediate_dim
    rows = config.vocabulary_size + config.max_positions + config.num_segments
    layer = 4 * (width * width + width) + 2 * width * feed_forward + feed_forward + width + 4 * width
    pooled = config.feature_dim
    parts = {
        "embeddings": rows * width + 2 * width,
        "layers": config.num_layers * layer,
        "pooler": (width + 1) * pooled if config.pooling == "cls_tanh" or config.pooled_dim else 0,
        "reduction": (pooled + 1) * config.embedding_dim,
    }
    return {**parts, "total": sum(parts.values())}
