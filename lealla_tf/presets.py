"""The paper's thirteen shapes (LEALLA, table 1) and the two of the quickstart, as data.

A preset is a whole `Config`: a name on the command line gives the shape together with
the learning rate, the number of steps and the weights of the losses that belong to it.
"""

from dataclasses import replace

from lealla_tf.config import (
    BatchConfig,
    Config,
    EncoderConfig,
    LossConfig,
    OptimizerConfig,
    TrainingConfig,
)
from lealla_tf.errors import UsageError

# name: (layers, hidden, intermediate, heads), in the order of the paper's table
_SHAPES = {
    "labse": (12, 768, 3072, 12),
    "labse_6_layers": (6, 768, 3072, 12),
    "labse_3_layers": (3, 768, 3072, 12),
    "labse_384": (12, 384, 1536, 12),
    "labse_192": (12, 192, 768, 12),
    "thin_deep_384": (24, 384, 1536, 12),
    "lealla_large": (24, 256, 1024, 8),
    "lealla_base": (24, 192, 768, 12),
    "lealla_small": (24, 128, 512, 8),
    "thin_deep_64": (24, 64, 256, 8),
    "mobilebert_256": (24, 256, 256, 4),
    "mobilebert_192": (24, 192, 192, 4),
    "mobilebert_128": (24, 128, 128, 4),
}


def _paper(layers: int, hidden: int, intermediate: int, heads: int) -> Config:
    """The paper's training of one shape (section 4.1 of LEALLA).

    It gives 1e-3 for widths "larger than 384" and 5e-4 for "smaller than 256", 200k steps
    for "over 256" and 100k for "below 192"; the boundaries are read as inclusive.  beta is
    1e4 for LEALLA-large and 1e3 for small and base; wider shapes take large's.
    """
    return Config(
        encoder=EncoderConfig(hidden_dim=hidden, num_layers=layers, num_heads=heads, intermediate_dim=intermediate),
        loss=LossConfig(feature=1e4 if hidden >= 256 else 1e3),
        optimizer=OptimizerConfig(learning_rate=1e-3 if hidden >= 384 else 5e-4),
        training=TrainingConfig(steps=200_000 if hidden >= 256 else 100_000),
    )


def _quickstart(layers: int, hidden: int, heads: int) -> Config:
    """A shape that two cores train in a minute or two on the sample corpus.

    BERT's initializer range, 0.02, suits a width of 768, where it is 0.55 / sqrt(width).  At
    128 and below, kernels of that size make all sentences nearly equal at first, and tables of
    that size change too slowly beside them: docs/real_text/README.md has the comparison.  A
    few hundred steps are too few to overfit, so there is no dropout.
    """
    return Config(
        encoder=EncoderConfig(
            vocabulary_size=6000,
            hidden_dim=hidden,
            num_layers=layers,
            num_heads=heads,
            intermediate_dim=4 * hidden,
            max_positions=64,
            dropout=0.0,
            initializer_range=round(hidden**-0.5, 3),
            embedding_initializer_range=0.01,
        ),
        batch=BatchConfig(size=256, length=32, buckets=(12, 16, 20, 24)),
        loss=LossConfig(scale=20.0, temperature=20.0),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=40, clip_norm=1.0, decay="cosine"),
        training=TrainingConfig(steps=400, checkpoint_every=100, log_every=20),
    )


PRESETS: dict[str, Config] = {name: _paper(*shape) for name, shape in _SHAPES.items()} | {
    "quickstart_teacher": _quickstart(layers=2, hidden=128, heads=4),
    "quickstart_student": _quickstart(layers=4, hidden=64, heads=4),
}

PAPER_PRESETS: tuple[str, ...] = tuple(_SHAPES)


def preset(name: str, vocabulary_size: int | None = None) -> Config:
    """The preset called `name`, for a vocabulary of another size if one is given.

    Raises:
        UsageError: if there is no such preset; the message lists all.
    """
    if name not in PRESETS:
        raise UsageError(f"Unknown preset {name!r}. Presets: {', '.join(PRESETS)}.")
    config = PRESETS[name]
    if vocabulary_size is None:
        return config
    return replace(config, encoder=replace(config.encoder, vocabulary_size=vocabulary_size))
