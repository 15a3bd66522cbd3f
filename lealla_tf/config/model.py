"""The shape of the encoder, and how text becomes its ids."""

from dataclasses import dataclass

from lealla_tf.config.rules import require, require_member


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Shape of a BERT encoder whose pooled output is the sentence embedding.

    Defaults are LEALLA-small (table 1, row 8).  `max_positions` is the number of rows of
    the position table; the length that a run trains at is `BatchConfig.length`.
    `initializer_range` is the standard deviation of new kernels, `embedding_initializer_range`
    that of new embedding tables; both are BERT's 0.02, which suits a width of 768 and is far
    from the best for a narrow encoder (docs/real_text/README.md).  `pooling` is `cls_tanh`,
    the paper's dense layer with tanh on `[CLS]`, or `mean`, the mean over the tokens, which
    has no weights and learns several times faster from little text.

    `pooled_dim` is the width that the pooler gives, where that is not `hidden_dim`; the mean
    then goes through a dense layer, too.  With `embedding_dim`, a last dense layer maps the
    pooled vector, brought to unit length, to so many dimensions.  0 leaves either as it is.
    """

    vocabulary_size: int = 501_153
    hidden_dim: int = 128
    num_layers: int = 24
    num_heads: int = 8
    intermediate_dim: int = 512
    max_positions: int = 512
    num_segments: int = 2
    activation: str = "gelu_tanh"
    pooling: str = "cls_tanh"
    dropout: float = 0.1
    layer_norm_epsilon: float = 1e-12
    initializer_range: float = 0.02
    embedding_initializer_range: float = 0.02
    pooled_dim: int = 0
    embedding_dim: int = 0

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "hidden_dim", "num_layers", "num_heads", "intermediate_dim"):
            value = getattr(self, name)
            require(value >= 1, f"`{name}` must be at least 1.", **{name: value})
        require(self.max_positions >= 3, "`max_positions` must be at least 3.", max_positions=self.max_positions)
        require(self.num_segments >= 1, "`num_segments` must be at least 1.", num_segments=self.num_segments)
        require(
            self.hidden_dim % self.num_heads == 0,
            "`hidden_dim` must be a multiple of `num_heads`.",
            hidden_dim=self.hidden_dim,
            num_heads=self.num_heads,
        )
        require_member("activation", self.activation, ("gelu_tanh", "gelu_erf", "relu"))
        require_member("pooling", self.pooling, ("cls_tanh", "mean"))
        for name in ("pooled_dim", "embedding_dim"):
            value = getattr(self, name)
            require(value >= 0, f"`{name}` must be 0 (off) or more.", **{name: value})
        require(0 <= self.dropout < 1, "`dropout` must be in [0, 1).", dropout=self.dropout)
        for name in ("layer_norm_epsilon", "initializer_range", "embedding_initializer_range"):
            value = getattr(self, name)
            require(value > 0, f"`{name}` must be positive.", **{name: value})

    @property
    def feature_dim(self) -> int:
        """Width of the pooled vector, before it is reduced."""
        return self.pooled_dim or self.hidden_dim

    @property
    def dim(self) -> int:
        """Width of the sentence embedding."""
        return self.embedding_dim or self.feature_dim


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How text becomes ids: `exact`, or `labse` as the preprocessor published with LaBSE does.

    `exact` agrees with Hugging Face's `BertTokenizerFast`.  `labse` reproduces what was
    published with its defects, for models that were trained that way: words of more than 100
    bytes (long ones of Thai, Khmer, ...) and words joined by a no-break space, which French
    sets before its punctuation, become unknown.  A new model has no reason to inherit that,
    so the default is `exact`.
    """

    mode: str = "exact"

    def __post_init__(self) -> None:
        require_member("mode", self.mode, ("labse", "exact"))
