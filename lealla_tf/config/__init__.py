"""The configuration of a run: nested, frozen, validated where it is built.

Defaults are the paper's (LEALLA, arXiv 2302.08387) where it names a value, and those of
LaBSE's published trainer where it does not; each field says which.  A configuration is
written as JSON beside every result, and running from that file repeats the run.
"""

from dataclasses import dataclass, field

from lealla_tf.config.corpus import BatchConfig as BatchConfig
from lealla_tf.config.corpus import CorpusConfig as CorpusConfig
from lealla_tf.config.corpus import FilterConfig as FilterConfig
from lealla_tf.config.corpus import PretrainingConfig as PretrainingConfig
from lealla_tf.config.learning import LossConfig as LossConfig
from lealla_tf.config.learning import OptimizerConfig as OptimizerConfig
from lealla_tf.config.learning import TeacherConfig as TeacherConfig
from lealla_tf.config.learning import TrainingConfig as TrainingConfig
from lealla_tf.config.learning import ValidationConfig as ValidationConfig
from lealla_tf.config.model import EncoderConfig as EncoderConfig
from lealla_tf.config.model import TextConfig as TextConfig
from lealla_tf.config.rules import require


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that `lealla pretrain` and `lealla train` need besides the vocabulary and an output directory."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    text: TextConfig = field(default_factory=TextConfig)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        require(
            self.batch.length <= self.encoder.max_positions,
            "`batch.length` must not exceed `encoder.max_positions`.",
            length=self.batch.length,
            max_positions=self.encoder.max_positions,
        )
        encoder, loss, training = self.encoder, self.loss, self.training
        first = loss.feature > 0 and loss.feature_pattern == "distillation_first"
        require(
            encoder.embedding_dim > 0 or not first,
            "The pattern `distillation_first` needs `encoder.pooled_dim`, the teacher's width, and "
            "`encoder.embedding_dim`, the width to reduce it to.",
            embedding_dim=encoder.embedding_dim,
        )
        require(
            loss.additive_margin + loss.logit > 0 or not first,
            "The pattern `distillation_first` needs another loss beside it: it does not reach the last layer.",
            additive_margin=loss.additive_margin,
            logit=loss.logit,
        )
        require(
            (training.init_from != "" and encoder.embedding_dim > 0) or training.trained != "reduction",
            "`training.trained=reduction` needs `training.init_from`, what to reduce, and `encoder.embedding_dim`.",
            init_from=training.init_from,
            embedding_dim=encoder.embedding_dim,
        )
        require(
            not (loss.needs_teacher and training.trained == "reduction"),
            "`training.trained=reduction` learns by the additive-margin loss alone: set `loss.feature` and "
            "`loss.logit` to 0.",
            feature=loss.feature,
            logit=loss.logit,
        )
