"""The head of a masked language model, which shares the token table with the encoder."""

from typing import Any

import keras
from keras import ops

from lealla_tf.layers.transformer import ACTIVATIONS


class MaskedLanguageHead(keras.layers.Layer):
    """logits = norm(activation(W h + b)) E^T + c, where E is the encoder's token table.

    Args:
        vocabulary_size: Rows of the token table.
        activation: As in the encoder.
        layer_norm_epsilon: Added to the variance.
        initializer_range: Standard deviation of the (truncated normal) kernel.

    Call arguments:
        hidden: The encoder's output at the masked positions, `(batch, positions, hidden_dim)`.
        table: The encoder's token table, `(vocabulary_size, hidden_dim)`.

    Returns:
        float32 logits `(batch, positions, vocabulary_size)`.

    Reference: Devlin et al., 2019, section 3.1; Press and Wolf, 2017, for the shared table.
    """

    def __init__(
        self,
        vocabulary_size: int,
        activation: str = "gelu_tanh",
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        name: str = "masked_language_head",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.settings: dict[str, Any] = {
            "vocabulary_size": vocabulary_size,
            "activation": activation,
            "layer_norm_epsilon": layer_norm_epsilon,
            "initializer_range": initializer_range,
        }
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="norm")

    def build(self, input_shape: Any) -> None:
        """Creates the weights for the width of `input_shape`."""
        width = input_shape[-1]
        self.transform = keras.layers.Dense(
            width,
            activation=ACTIVATIONS[self.settings["activation"]],
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=self.settings["initializer_range"]),
            dtype=self.dtype_policy,
            name="transform",
        )
        self.transform.build(input_shape)
        self.norm.build(input_shape)
        self.bias = self.add_weight(
            shape=(self.settings["vocabulary_size"],), initializer="zeros", dtype="float32", autocast=False, name="bias"
        )
        self.built = True

    def call(self, hidden: Any, table: Any) -> Any:
        """The logits of every piece at every position."""
        hidden = self.norm(self.transform(hidden))
        products = ops.matmul(hidden, ops.transpose(ops.cast(table, self.compute_dtype)))
        return ops.cast(products, "float32") + self.bias

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self.settings}
