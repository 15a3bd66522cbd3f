"""One layer of a BERT encoder: attention and feed-forward, each followed by its norm."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lealla_tf.layers.attention import SelfAttention
from lealla_tf.layers.dropout import Dropout, drop
from lealla_tf.layers.execution import PLAIN, Execution


def _gelu_tanh(inputs: Any) -> Any:
    return ops.gelu(inputs, approximate=True)


def _gelu_erf(inputs: Any) -> Any:
    return ops.gelu(inputs, approximate=False)


# Google's weights were trained with the approximation; ports of them declare the exact form.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"gelu_tanh": _gelu_tanh, "gelu_erf": _gelu_erf, "relu": ops.relu}


def add_and_activate(inputs: Any, bias: Any, *, activation: Callable[[Any], Any]) -> Any:
    """activation(inputs + bias)."""
    return activation(inputs + bias)


def add_and_norm(
    inputs: Any, bias: Any, residual: Any, gamma: Any, beta: Any, kept: Any = None, *, rate: float, epsilon: float
) -> Any:
    """norm(residual + dropout(inputs + bias)), given the mask of the units that dropout keeps."""
    inputs = inputs + bias
    if kept is not None:
        inputs = drop(inputs, kept, rate)
    return ops.layer_normalization(residual + inputs, gamma, beta, axis=-1, epsilon=epsilon)


class TransformerLayer(keras.layers.Layer):
    """h = norm(x + attention(x)); y = norm(h + W2 activation(W1 h)): the post-norm layer.

    Args:
        num_heads: Number of attention heads.
        intermediate_dim: Width of the feed-forward layer.
        activation: `gelu_tanh`, `gelu_erf` or `relu`.
        dropout: Rate after attention, after the feed-forward layer and on attention weights.
        layer_norm_epsilon: Added to the variance.
        initializer_range: Standard deviation of the (truncated normal) kernels.
        seed: Seed of the dropout masks; this layer uses `seed`, `seed + 1`, `seed + 2`.
        execution: See `lealla_tf.layers.execution.Execution`.

    Call arguments:
        hidden: `(batch, length, hidden_dim)`.
        padding_mask: `(batch, length)`, 1 for tokens and 0 for padding.
        num_queries: Compute the first `num_queries` positions only; `None` for all.
        training: Whether dropout is active.

    Returns:
        `(batch, num_queries or length, hidden_dim)`.

    Raises:
        ValueError: if `activation` is unknown.

    Reference: Devlin et al., 2019; Vaswani et al., 2017.
    """

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int,
        activation: str = "gelu_tanh",
        dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        execution: Execution = PLAIN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: activation={activation!r}."
            )
        self.settings = {
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "activation": activation,
            "dropout": dropout,
            "layer_norm_epsilon": layer_norm_epsilon,
            "initializer_range": initializer_range,
            "seed": seed,
        }
        self.activation = ACTIVATIONS[activation]
        self.execution = execution
        self.attention = SelfAttention(
            num_heads, dropout, initializer_range, seed, execution, dtype=self.dtype_policy, name="attention"
        )
        self.attention_dropout = Dropout(
            dropout, seed + 1, execution, dtype=self.dtype_policy, name="attention_dropout"
        )
        self.output_dropout = Dropout(dropout, seed + 2, execution, dtype=self.dtype_policy, name="output_dropout")

    def build(self, input_shape: Any) -> None:
        """Creates the weights for the width of `input_shape`."""
        width = input_shape[-1]
        self.attention.build(input_shape)
        for name in ("attention_norm", "output_norm"):
            epsilon = self.settings["layer_norm_epsilon"]
            norm = keras.layers.LayerNormalization(epsilon=epsilon, dtype=self.dtype_policy, name=name)
            norm.build(input_shape)
            setattr(self, name, norm)
        shapes = {"intermediate": (width, self.settings["intermediate_dim"])}
        shapes["output"] = shapes["intermediate"][::-1]
        for name, (inputs, outputs) in shapes.items():
            initializer = keras.initializers.TruncatedNormal(stddev=self.settings["initializer_range"])
            dense = keras.layers.Dense(outputs, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)
            dense.build((*input_shape[:-1], inputs))
            setattr(self, f"{name}_dense", dense)
        self.built = True

    def call(self, hidden: Any, padding_mask: Any, num_queries: int | None = None, training: bool = False) -> Any:
        """The layer's output for the first `num_queries` positions."""
        # A slice of all there is would have a gradient, too.
        queries = hidden if num_queries is None else hidden[:, :num_queries]
        fuse = self.execution.fuse if training else functools.partial
        context = self.attention.attend(hidden, padding_mask, num_queries, training)
        attended = self._add_and_norm(context, self.attention.output_projection, queries, "attention", training)
        activate = fuse(add_and_activate, activation=self.activation)
        expanded = activate(ops.matmul(attended, self.intermediate_dense.kernel), self.intermediate_dense.bias)
        return self._add_and_norm(expanded, self.output_dense, attended, "output", training)

    def _add_and_norm(self, inputs: Any, dense: Any, residual: Any, name: str, training: bool) -> Any:
        """The end of either half of the layer: norm(residual + dropout(dense(inputs)))."""
        dropout, norm = getattr(self, f"{name}_dropout"), getattr(self, f"{name}_norm")
        inputs = ops.matmul(inputs, dense.kernel)
        tensors = [inputs, dense.bias, residual, norm.gamma, norm.beta]
        if training and dropout.rate:
            tensors.append(dropout.draw(ops.shape(inputs)))
        fuse = self.execution.fuse if training else functools.partial
        return fuse(add_and_norm, rate=dropout.rate, epsilon=norm.epsilon)(*tensors)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self.settings}
