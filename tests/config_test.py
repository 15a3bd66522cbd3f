import math
import re
from typing import Any

import pytest

from lealla_tf.config import (
    BatchConfig,
    Config,
    CorpusConfig,
    EncoderConfig,
    FilterConfig,
    LossConfig,
    OptimizerConfig,
    TeacherConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
)


def test_defaults_are_the_papers() -> None:
    """LEALLA, sections 3.3 and 4.1, and LaBSE's published trainer; written out, so that none moves unseen."""
    config = Config()
    assert (config.encoder.vocabulary_size, config.encoder.max_positions, config.encoder.num_segments) == (
        501_153,
        512,
        2,
    )
    assert (config.encoder.dropout, config.encoder.layer_norm_epsilon) == (0.1, 1e-12)
    assert (config.encoder.initializer_range, config.encoder.activation) == (0.02, "gelu_tanh")
    assert (config.batch.size, config.batch.length) == (8192, 128)
    assert (config.loss.additive_margin, config.loss.feature, config.loss.logit) == (1.0, 1e3, 1e-2)
    assert (config.loss.margin, config.loss.scale, config.loss.temperature) == (0.3, 100.0, 100.0)
    assert (config.optimizer.warmup_steps, config.optimizer.weight_decay, config.optimizer.clip_norm) == (5000, 0, 100)


REFUSED = [
    *((EncoderConfig, {name: 0}, f"`{name}` must be at least 1. Received: {name}=0.") for name in
      ("vocabulary_size", "hidden_dim", "num_layers", "num_heads", "intermediate_dim", "num_segments")),
    (EncoderConfig, {"max_positions": 2}, "`max_positions` must be at least 3. Received: max_positions=2."),
    (EncoderConfig, {"num_heads": 3}, "`hidden_dim` must be a multiple of `num_heads`. "
     "Received: hidden_dim=128, num_heads=3."),
    (EncoderConfig, {"pooling": "max"}, "`pooling` must be one of cls_tanh, mean. Received: pooling='max'."),
    (EncoderConfig, {"activation": "gelu"}, "`activation` must be one of gelu_tanh, gelu_erf, relu. "
     "Received: activation='gelu'."),
    (EncoderConfig, {"dropout": 1.0}, "`dropout` must be in [0, 1). Received: dropout=1.0."),
    (EncoderConfig, {"dropout": -0.1}, "`dropout` must be in [0, 1). Received: dropout=-0.1."),
    (EncoderConfig, {"layer_norm_epsilon": 0.0}, "`layer_norm_epsilon` must be positive. "
     "Received: layer_norm_epsilon=0.0."),
    (EncoderConfig, {"initializer_range": 0.0}, "`initializer_range` must be positive. "
     "Received: initializer_range=0.0."),
    (TextConfig, {"mode": "fast"}, "`mode` must be one of labse, exact. Received: mode='fast'."),
    (FilterConfig, {"max_characters": -1}, "`max_characters` must be 0 (off) or more. Received: max_characters=-1."),
    (FilterConfig, {"max_length_ratio": 0.5}, "`max_length_ratio` must be 0 (off) or at least 1. "
     "Received: max_length_ratio=0.5."),
    (CorpusConfig, {"on_error": "warn"}, "`on_error` must be one of skip, stop. Received: on_error='warn'."),
    (CorpusConfig, {"temperature": 1.1}, "`temperature` must be in [0, 1]. Received: temperature=1.1."),
    (BatchConfig, {"size": 1}, "`size` must be at least 2: a batch of 1 has no negatives. Received: size=1."),
    (BatchConfig, {"length": 2}, "`length` must be at least 3: [CLS], a piece, [SEP]. Received: length=2."),
    (BatchConfig, {"window": 0}, "`window` must be at least 1. Received: window=0."),
    *((BatchConfig, {"buckets": buckets}, f"`buckets` must rise and lie in [3, length]. Received: buckets={buckets}, "
       "length=128.") for buckets in ((2, 8), (8, 8), (16, 8), (8, 129))),
    *((BatchConfig, {"size": 8, "chunk": chunk}, f"`chunk` must divide `size`, or be 0 (off). Received: chunk={chunk}, "
       "size=8.") for chunk in (3, 16, -2)),
    (TeacherConfig, {"preprocessor": "p"}, "`preprocessor` needs `model`, the encoder it belongs to. "
     "Received: preprocessor='p'."),
    (LossConfig, {"feature": -1.0}, "The losses' weights must be 0 or more. "
     "Received: additive_margin=1.0, feature=-1.0, logit=0.01."),
    (LossConfig, {"feature": math.nan}, "The losses' weights must be 0 or more."),
    (LossConfig, {"additive_margin": 0.0, "feature": 0.0, "logit": 0.0}, "At least one loss's weight must be positive. "
     "Received: additive_margin=0.0, feature=0.0, logit=0.0."),
    (LossConfig, {"margin": 1.0}, "`margin` must be in [0, 1). Received: margin=1.0."),
    (LossConfig, {"margin": -0.1}, "`margin` must be in [0, 1). Received: margin=-0.1."),
    (LossConfig, {"scale": 0.0}, "`scale` must be positive. Received: scale=0.0."),
    (LossConfig, {"temperature": 0.0}, "`temperature` must be positive. Received: temperature=0.0."),
    (OptimizerConfig, {"name": "adam"}, "`name` must be one of adamw, lazy_adamw. Received: name='adam'."),
    (OptimizerConfig, {"learning_rate": 0.0}, "`learning_rate` must be positive. Received: learning_rate=0.0."),
    (OptimizerConfig, {"warmup_steps": -1}, "`warmup_steps` must be 0 or more. Received: warmup_steps=-1."),
    (OptimizerConfig, {"decay": "step"}, "`decay` must be one of linear, cosine, constant. Received: decay='step'."),
    (OptimizerConfig, {"weight_decay": -1.0}, "`weight_decay` must be 0 or more. Received: weight_decay=-1.0."),
    (OptimizerConfig, {"beta_1": 1.0}, "`beta_1` must be in [0, 1). Received: beta_1=1.0."),
    (OptimizerConfig, {"beta_2": -0.5}, "`beta_2` must be in [0, 1). Received: beta_2=-0.5."),
    (OptimizerConfig, {"epsilon": 0.0}, "`epsilon` must be positive. Received: epsilon=0.0."),
    (OptimizerConfig, {"clip_norm": -1.0}, "`clip_norm` must be 0 (off) or more. Received: clip_norm=-1.0."),
    *((TrainingConfig, {name: 0}, f"`{name}` must be at least 1. Received: {name}=0.") for name in
      ("steps", "steps_per_execution", "checkpoint_every", "log_every")),
    (TrainingConfig, {"strategy": "gpu"}, "`strategy` must be one of one_device, mirrored, multi_worker, tpu. "
     "Received: strategy='gpu'."),
    (TrainingConfig, {"precision": "float16"}, "`precision` must be one of float32, mixed_bfloat16. "
     "Received: precision='float16'."),
    *((TrainingConfig, {"seed": seed}, f"`seed` must be in [0, 2 ** 31). Received: seed={seed}.")
      for seed in (-1, 2**31)),
    *((TrainingConfig, {"steps_per_execution": 10, name: 15}, f"`{name}` must be a multiple of `steps_per_execution`. "
       f"Received: {name}=15, steps_per_execution=10.") for name in ("steps", "checkpoint_every", "log_every")),
    (EncoderConfig, {"embedding_dim": -1}, "`embedding_dim` must be 0 (off) or more. Received: embedding_dim=-1."),
    (LossConfig, {"feature_pattern": "first"}, "`feature_pattern` must be one of after_embedding, distillation_first, "
     "synchronized. Received: feature_pattern='first'."),
    (TrainingConfig, {"trained": "pooler"}, "`trained` must be one of all, reduction. Received: trained='pooler'."),
    (Config, {"loss": LossConfig(feature_pattern="distillation_first")}, "The pattern `distillation_first` needs "
     "`encoder.pooled_dim`, the teacher's width, and `encoder.embedding_dim`, the width to reduce it to. "
     "Received: embedding_dim=0."),
    (Config, {"encoder": EncoderConfig(embedding_dim=8), "loss": LossConfig(
        additive_margin=0, logit=0, feature_pattern="distillation_first")}, "The pattern `distillation_first` needs "
     "another loss beside it: it does not reach the last layer. Received: additive_margin=0, logit=0."),
    (Config, {"training": TrainingConfig(trained="reduction")}, "`training.trained=reduction` needs "
     "`training.init_from`, what to reduce, and `encoder.embedding_dim`. Received: init_from='', embedding_dim=0."),
    (Config, {"encoder": EncoderConfig(embedding_dim=8),
              "training": TrainingConfig(trained="reduction", init_from="a")},
     "`training.trained=reduction` learns by the additive-margin loss alone: set `loss.feature` and `loss.logit` to 0. "
     "Received: feature=1000.0, logit=0.01."),
    (ValidationConfig, {"pairs": -1}, "`pairs` must be 0 (no validation) or more. Received: pairs=-1."),
    (Config, {"encoder": EncoderConfig(max_positions=64)}, "`batch.length` must not exceed `encoder.max_positions`. "
     "Received: length=128, max_positions=64."),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "arguments", "message"), REFUSED)
def test_refused_values(cls: type[Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        cls(**arguments)


def test_values_at_the_ends_of_their_ranges() -> None:
    EncoderConfig(vocabulary_size=1, hidden_dim=1, num_layers=1, num_heads=1, intermediate_dim=1, max_positions=3)
    EncoderConfig(dropout=0.0, num_segments=1)
    FilterConfig(max_characters=0, max_length_ratio=1.0)
    assert CorpusConfig(temperature=0.0) != CorpusConfig(temperature=1.0)
    BatchConfig(size=2, length=3, buckets=(3,), window=1, chunk=1)
    BatchConfig(size=2, chunk=2)
    LossConfig(margin=0.0, additive_margin=0.0, feature=0.0)
    TrainingConfig(seed=2**31 - 1)
    Config(encoder=EncoderConfig(max_positions=128))


@pytest.mark.parametrize(
    ("feature", "logit", "needed"), [(0.0, 0.0, False), (1.0, 0.0, True), (0.0, 1.0, True), (1.0, 1.0, True)]
)
def test_needs_teacher(feature: float, logit: float, needed: bool) -> None:
    assert LossConfig(feature=feature, logit=logit).needs_teacher is needed


def test_dim_is_the_hidden_dim_unless_another_is_asked_for() -> None:
    assert EncoderConfig(hidden_dim=64).dim == 64
    assert EncoderConfig(hidden_dim=64, pooled_dim=96).dim == 96
    assert EncoderConfig(hidden_dim=64, pooled_dim=96, embedding_dim=32).dim == 32
