"""Multi-head self-attention over padded sequences."""

from typing import Any

import keras
from keras import ops

from lealla_tf.layers.dropout import Dropout
from lealla_tf.layers.execution import PLAIN, Execution


class SelfAttention(keras.layers.Layer):
    """softmax(Q K^T / sqrt(d) + M) V in `num_heads` parallel heads, then a dense layer.

    M is 0 where the key is a token and a large negative number where it is padding. The
    softmax is computed in float32 under every dtype policy.

    Args:
        num_heads: Number of heads; divides the width of the inputs.
        dropout: Rate on the attention weights.
        initializer_range: Standard deviation of the (truncated normal) kernels.
        seed: Seed of the dropout masks.
        execution: See `lealla_tf.layers.execution.Execution`.

    Call arguments:
        hidden: `(batch, length, hidden_dim)`.
        padding_mask: `(batch, length)`, 1 for tokens and 0 for padding.
        num_queries: Attend from the first `num_queries` positions only; `None` for all.
        training: Whether dropout is active.

    Returns:
        `(batch, num_queries or length, hidden_dim)`.

    Raises:
        ValueError: if `num_heads` does not divide the width of the inputs.

    Reference: Vaswani et al., 2017, section 3.2.
    """

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        seed: int = 0,
        execution: Execution = PLAIN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout_rate = dropout
        self.initializer_range = initializer_range
        self.seed = seed
        self.dropout = Dropout(dropout, seed, execution, dtype=self.dtype_policy, name="dropout")

    def build(self, input_shape: Any) -> None:
        """Creates the four projections for the width of `input_shape`."""
        width = input_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the width of the inputs. Received: num_heads={self.num_heads}, width={width}."
            )
        for name in ("query", "key", "value", "output"):
            layer = keras.layers.Dense(
                width,
                kernel_initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build(input_shape)
            setattr(self, f"{name}_projection", layer)
        self.built = True

    def call(self, hidden: Any, padding_mask: Any, num_queries: int | None = None, training: bool = False) -> Any:
        """The attended values of the first `num_queries` positions."""
        return self.output_projection(self.attend(hidden, padding_mask, num_queries, training))

    def attend(self, hidden: Any, padding_mask: Any, num_queries: int | None, training: bool) -> Any:
        """The values of all heads, before the dense layer."""
        head_dim = hidden.shape[-1] // self.num_heads
        # A slice of all there is would have a gradient, too.
        queries = hidden if num_queries is None else hidden[:, :num_queries]
        query = self._split_heads(self.query_projection(queries)) * head_dim**-0.5
        key = self._split_heads(self.key_projection(hidden))
        value = self._split_heads(self.value_projection(hidden))
        scores = ops.cast(ops.matmul(query, ops.swapaxes(key, -1, -2)), "float32")
        # A finite number: a row of nothing but padding then gives equal weights and not NaN.
        scores += (1.0 - ops.cast(padding_mask, "float32")[:, None, None, :]) * -1e9
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        context = ops.matmul(self.dropout(weights, training=training), value)
        context = ops.transpose(context, (0, 2, 1, 3))
        return ops.reshape(context, (*ops.shape(context)[:2], hidden.shape[-1]))

    def _split_heads(self, inputs: Any) -> Any:
        """`(batch, length, hidden_dim)` -> `(batch, num_heads, length, head_dim)`."""
        batch, length = ops.shape(inputs)[:2]
        split = ops.reshape(inputs, (batch, length, self.num_heads, inputs.shape[-1] // self.num_heads))
        return ops.transpose(split, (0, 2, 1, 3))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout_rate,
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }
