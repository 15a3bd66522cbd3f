"""The input of a BERT encoder: token, position and segment embeddings."""

from typing import Any

import keras
from keras import ops

from lealla_tf.layers.dropout import Dropout
from lealla_tf.layers.execution import PLAIN, Execution, LookUp


class TokenEmbedding(keras.layers.Layer):
    """dropout(norm(token + position + segment)): learned tables, summed.

    Args:
        vocabulary_size: Rows of the token table.
        hidden_dim: Width of all three tables.
        max_positions: Rows of the position table, the longest sequence.
        num_segments: Rows of the segment table.
        dropout: Rate after the norm.
        layer_norm_epsilon: Added to the variance.
        initializer_range: Standard deviation of the (truncated normal) tables.
        seed: Seed of the dropout masks.
        execution: See `lealla_tf.layers.execution.Execution`.

    Call arguments:
        token_ids: int32 `(batch, length)`.
        segment_ids: int32 `(batch, length)`, or `None` for all 0.
        training: Whether dropout is active.

    Returns:
        `(batch, length, hidden_dim)`.

    Reference: Devlin et al., 2019, figure 2.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        max_positions: int = 512,
        num_segments: int = 2,
        dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        execution: Execution = PLAIN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings = {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "max_positions": max_positions,
            "num_segments": num_segments,
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
            "initializer_range": initializer_range,
            "seed": seed,
        }
        tables = {"token": vocabulary_size, "position": max_positions, "segment": num_segments}
        for name, rows in tables.items():
            initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
            table = _Table(rows, hidden_dim, initializer, execution.look_up, dtype=self.dtype_policy, name=name)
            setattr(self, f"{name}_table", table)
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="norm")
        self.dropout = Dropout(dropout, seed, execution, dtype=self.dtype_policy, name="dropout")

    def build(self, input_shape: Any) -> None:
        """Creates the tables; they do not depend on `input_shape`."""
        for table in (self.token_table, self.position_table, self.segment_table):
            table.build(input_shape)
        self.norm.build((None, None, self.settings["hidden_dim"]))
        self.built = True

    def call(self, token_ids: Any, segment_ids: Any = None, training: bool = False) -> Any:
        """The summed, normalised embeddings of a batch of sequences."""
        # Rows that are known beforehand are cut out: a look-up costs more, and so does its gradient.
        table = ops.convert_to_tensor(self.position_table.embeddings)
        positions = ops.cast(ops.slice(table, (0, 0), (ops.shape(token_ids)[1], table.shape[1])), self.compute_dtype)
        if segment_ids is None:
            segments = ops.cast(self.segment_table.embeddings[:1], self.compute_dtype)
        else:
            segments = self.segment_table(segment_ids)
        summed = self.token_table(token_ids) + positions + segments
        return self.dropout(self.norm(summed), training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self.settings}


class _Table(keras.layers.Embedding):
    """A table whose rows are taken by `look_up`."""

    def __init__(self, rows: int, width: int, initializer: Any, look_up: LookUp, **kwargs: Any) -> None:
        super().__init__(rows, width, initializer, **kwargs)
        self.look_up = look_up

    def call(self, ids: Any) -> Any:
        """The rows `(*ids.shape, width)`."""
        return ops.cast(self.look_up(self.embeddings.value, ids), self.compute_dtype)
