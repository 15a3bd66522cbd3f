import re

import keras
import pytest

from lealla_tf.config import EncoderConfig
from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import Encoder, count_parameters
from lealla_tf.presets import PAPER_PRESETS, PRESETS, preset

# LEALLA, table 1, as printed: layers, hidden, feed-forward, heads; millions of weights in all and in the layers.
TABLE = {
    "labse": (12, 768, 3072, 12, 471, 85),
    "labse_6_layers": (6, 768, 3072, 12, 428, 42),
    "labse_3_layers": (3, 768, 3072, 12, 407, 21),
    "labse_384": (12, 384, 1536, 12, 214, 21),
    "labse_192": (12, 192, 768, 12, 102, 6),
    "thin_deep_384": (24, 384, 1536, 12, 235, 42),
    "lealla_large": (24, 256, 1024, 8, 147, 19),
    "lealla_base": (24, 192, 768, 12, 107, 11),
    "lealla_small": (24, 128, 512, 8, 69, 5),
    "thin_deep_64": (24, 64, 256, 8, 33, 1),
    "mobilebert_256": (24, 256, 256, 4, 138, 10),
    "mobilebert_192": (24, 192, 192, 4, 102, 6),
    "mobilebert_128": (24, 128, 128, 4, 66, 2),
}

# Where the formula is off the printed (and unevenly rounded) figure by half a million or more: what it gives.
LAYERS_OFF = {
    "labse_6_layers": 42.53,
    "labse_192": 5.34,
    "thin_deep_384": 42.59,
    "mobilebert_256": 9.50,
    "mobilebert_192": 5.35,
}
TOTAL_OFF = {"mobilebert_128": 66.62}


def test_the_presets_are_the_papers_rows_and_the_quickstart() -> None:
    assert tuple(TABLE) == PAPER_PRESETS
    assert set(PRESETS) - set(PAPER_PRESETS) == {"quickstart_teacher", "quickstart_student"}


@pytest.mark.parametrize("name", TABLE)
def test_shapes(name: str) -> None:
    layers, hidden, intermediate, heads, *_ = TABLE[name]
    assert preset(name).encoder == EncoderConfig(
        vocabulary_size=501_153,
        max_positions=512,
        num_layers=layers,
        hidden_dim=hidden,
        intermediate_dim=intermediate,
        num_heads=heads,
    )


def test_a_count_by_hand() -> None:
    """LEALLA-small: H = 128, F = 512, L = 24, V = 501,153, P = 512, S = 2."""
    counts = count_parameters(preset("lealla_small").encoder)
    assert counts["embeddings"] == 501_667 * 128 + 256 == 64_213_632
    assert counts["layers"] == 24 * (4 * 16_512 + 66_048 + 65_664 + 512) == 4_758_528
    assert counts["pooler"] == 16_384 + 128
    assert counts["total"] == 68_988_672


@pytest.mark.parametrize("name", TABLE)
def test_counts_are_the_papers(name: str) -> None:
    *_, total, layers = TABLE[name]
    counts = {part: count / 1e6 for part, count in count_parameters(preset(name).encoder).items()}
    assert counts["total"] == pytest.approx(TOTAL_OFF.get(name, total), abs=0.005 if name in TOTAL_OFF else 0.5)
    assert counts["layers"] == pytest.approx(LAYERS_OFF.get(name, layers), abs=0.005 if name in LAYERS_OFF else 0.5)
    assert abs(counts["total"] - total) < 1
    assert abs(counts["layers"] - layers) < 1


def golden_weights(name: str, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a preset's weights, from the paper's table alone."""
    layers, hidden, intermediate, *_ = TABLE[name]

    def dense(path: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return {f"{path}/kernel": (inputs, outputs), f"{path}/bias": (outputs,)}

    def norm(path: str) -> dict[str, tuple[int, ...]]:
        return {f"{path}/gamma": (hidden,), f"{path}/beta": (hidden,)}

    weights: dict[str, tuple[int, ...]] = {
        "encoder/embeddings/token/embeddings": (vocabulary_size, hidden),
        "encoder/embeddings/position/embeddings": (512, hidden),
        "encoder/embeddings/segment/embeddings": (2, hidden),
        **norm("encoder/embeddings/norm"),
        **dense("encoder/pooler", hidden, hidden),
    }
    for layer in (f"encoder/layer_{number}" for number in range(layers)):
        for projection in ("query", "key", "value", "output"):
            weights |= dense(f"{layer}/attention/{projection}", hidden, hidden)
        weights |= norm(f"{layer}/attention_norm") | norm(f"{layer}/output_norm")
        weights |= dense(f"{layer}/intermediate", hidden, intermediate) | dense(f"{layer}/output", intermediate, hidden)
    return weights


@pytest.mark.parametrize("name", TABLE)
def test_weights_of_the_built_encoder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and shapes as the table has them, and as many numbers as the formula says."""
    # Names and shapes do not depend on the values, and 270 million random numbers take a while.
    monkeypatch.setattr(keras.initializers, "TruncatedNormal", lambda stddev: "zeros")
    config = preset(name, vocabulary_size=101).encoder
    encoder = Encoder.from_encoder_config(config)
    assert {weight.path: tuple(weight.shape) for weight in encoder.trainable_variables} == golden_weights(name, 101)
    assert encoder.count_params() == count_parameters(config)["total"]
    # The rest of the vocabulary's rows are the only difference to the real size.
    missing = (501_153 - 101) * config.hidden_dim
    assert encoder.count_params() + missing == count_parameters(preset(name).encoder)["total"]


@pytest.mark.parametrize(
    ("name", "learning_rate", "steps", "feature"),
    [
        ("labse", 1e-3, 200_000, 1e4),
        ("labse_384", 1e-3, 200_000, 1e4),
        ("lealla_large", 5e-4, 200_000, 1e4),
        ("lealla_base", 5e-4, 100_000, 1e3),
        ("lealla_small", 5e-4, 100_000, 1e3),
        ("thin_deep_64", 5e-4, 100_000, 1e3),
    ],
)
def test_training_of_the_papers_presets(name: str, learning_rate: float, steps: int, feature: float) -> None:
    config = preset(name)
    assert (config.optimizer.learning_rate, config.training.steps) == (learning_rate, steps)
    assert (config.loss.additive_margin, config.loss.feature, config.loss.logit) == (1.0, feature, 1e-2)


def test_a_vocabulary_of_another_size() -> None:
    assert preset("lealla_base", vocabulary_size=500).encoder.vocabulary_size == 500
    assert preset("lealla_base").encoder.vocabulary_size == 501_153


def test_an_unknown_preset() -> None:
    message = f"Unknown preset 'lealla_tiny'. Presets: {', '.join(PRESETS)}."
    with pytest.raises(UsageError, match=re.escape(message)):
        preset("lealla_tiny")
