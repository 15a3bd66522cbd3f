"""The configuration of a run: nested, frozen, validated where it is built.

Defaults are the paper's (LEALLA, arXiv 2302.08387) where it names a value, and those of
LaBSE's published trainer where it does not; each field says which.  A configuration is
written as JSON beside every result, and running from that file repeats the run.
"""

from dataclasses import dataclass, field
from typing import Any


def _require(condition: bool, rule: str, **received: Any) -> None:
    """Raises `ValueError` with the rule and what was received, unless `condition`."""
    if not condition:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {values}.")


def _require_member(name: str, value: str, members: tuple[str, ...]) -> None:
    """Raises `ValueError` unless `value` is one of `members`."""
    _require(value in members, f"`{name}` must be one of {', '.join(members)}.", **{name: value})


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
            _require(value >= 1, f"`{name}` must be at least 1.", **{name: value})
        _require(self.max_positions >= 3, "`max_positions` must be at least 3.", max_positions=self.max_positions)
        _require(self.num_segments >= 1, "`num_segments` must be at least 1.", num_segments=self.num_segments)
        _require(
            self.hidden_dim % self.num_heads == 0,
            "`hidden_dim` must be a multiple of `num_heads`.",
            hidden_dim=self.hidden_dim,
            num_heads=self.num_heads,
        )
        _require_member("activation", self.activation, ("gelu_tanh", "gelu_erf", "relu"))
        _require_member("pooling", self.pooling, ("cls_tanh", "mean"))
        for name in ("pooled_dim", "embedding_dim"):
            value = getattr(self, name)
            _require(value >= 0, f"`{name}` must be 0 (off) or more.", **{name: value})
        _require(0 <= self.dropout < 1, "`dropout` must be in [0, 1).", dropout=self.dropout)
        for name in ("layer_norm_epsilon", "initializer_range", "embedding_initializer_range"):
            value = getattr(self, name)
            _require(value > 0, f"`{name}` must be positive.", **{name: value})

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
        _require_member("mode", self.mode, ("labse", "exact"))


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Which pairs are kept.  0 switches a limit off.

    `max_characters` bounds either side.  `max_length_ratio` bounds the longer side's
    characters over the shorter side's, after adding 10 to both, so that short sentences
    are not dropped for a word.  `script` drops pairs whose side is not mainly in a script
    that its language is written in.
    """

    max_characters: int = 1000
    max_length_ratio: float = 4.0
    identical: bool = True
    duplicates: bool = True
    script: bool = False

    def __post_init__(self) -> None:
        most = self.max_characters
        _require(most >= 0, "`max_characters` must be 0 (off) or more.", max_characters=most)
        ratio = self.max_length_ratio
        _require(ratio == 0 or ratio >= 1, "`max_length_ratio` must be 0 (off) or at least 1.", max_length_ratio=ratio)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Where the pairs come from and how languages are mixed.

    `files` are the values of `--corpus`, in order.  A language pair with a share p of all
    pairs is drawn with probability proportional to p ** temperature: 1 keeps the natural
    shares, 0 draws all languages equally often.
    """

    files: tuple[str, ...] = ()
    on_error: str = "skip"
    temperature: float = 1.0
    filter: FilterConfig = field(default_factory=FilterConfig)

    def __post_init__(self) -> None:
        _require_member("on_error", self.on_error, ("skip", "stop"))
        _require(0 <= self.temperature <= 1, "`temperature` must be in [0, 1].", temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Shape of a batch.

    `size` counts pairs over all replicas (the N of the losses).  Sentences are cut at
    `length` tokens.  With `buckets`, a batch is padded to the smallest bucket that holds
    it instead of to `length`; batches are then formed from sentences of like length within
    a window of `window` batches.  With `chunk`, a replica embeds so many of its pairs at a
    time: the gradient is that of the whole batch, the memory that of a chunk, and the price a
    second forward pass.  0 embeds all at once.
    """

    size: int = 8192
    length: int = 128
    buckets: tuple[int, ...] = ()
    window: int = 50
    chunk: int = 0

    def __post_init__(self) -> None:
        _require(self.size >= 2, "`size` must be at least 2: a batch of 1 has no negatives.", size=self.size)
        _require(self.length >= 3, "`length` must be at least 3: [CLS], a piece, [SEP].", length=self.length)
        _require(self.window >= 1, "`window` must be at least 1.", window=self.window)
        _require(
            list(self.buckets) == sorted(set(self.buckets)) and all(3 <= b <= self.length for b in self.buckets),
            "`buckets` must rise and lie in [3, length].",
            buckets=self.buckets,
            length=self.length,
        )
        _require(
            self.chunk == 0 or (self.chunk > 0 and self.size % self.chunk == 0),
            "`chunk` must divide `size`, or be 0 (off).",
            chunk=self.chunk,
            size=self.size,
        )


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig:
    """What `lealla pretrain` learns from: text with hidden tokens, of one language or of two.

    `text` are the values of `--text`, in order: monolingual files.  A row of a batch is one
    side of a pair, or with the probability `translation` both sides, one after the other.
    `rate` is the share of tokens that are hidden, BERT's 0.15.
    """

    text: tuple[str, ...] = ()
    translation: float = 0.5
    rate: float = 0.15

    def __post_init__(self) -> None:
        _require(0 <= self.translation <= 1, "`translation` must be in [0, 1].", translation=self.translation)
        _require(0 < self.rate < 1, "`rate` must be in (0, 1).", rate=self.rate)


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The frozen model to distil from: a directory or a Hub handle, or nothing.

    `model` is a checkpoint of this project, a sentence encoder (string -> embedding), or,
    with `preprocessor`, an encoder of LaBSE's format.  With a corpus prepared with the
    teacher's targets nothing is named here.  `reduction` is a run that learned to reduce this
    teacher's embeddings (`training.trained=reduction`): the pattern `synchronized` compares
    with those.
    """

    model: str = ""
    preprocessor: str = ""
    reduction: str = ""

    def __post_init__(self) -> None:
        _require(
            bool(self.model) or not self.preprocessor,
            "`preprocessor` needs `model`, the encoder it belongs to.",
            preprocessor=self.preprocessor,
        )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and constants of the losses (LEALLA, equations 2 to 5).

    total = additive_margin * L_ams + feature * L_fd + logit * L_ld.  `scale` multiplies the
    cosines of the additive-margin softmax and `temperature` those of the logit loss; both
    are 100 as in LaBSE's published trainer.  `mask_duplicates` leaves rows whose text
    equals another row's out of each other's negatives; the paper does not.

    `feature_pattern` says what is compared with the teacher (appendix C): `after_embedding`
    the embedding through a dense layer that is trained beside the encoder; `distillation_first`
    the pooled vector, as wide as the teacher's, which `encoder.embedding_dim` reduces
    afterwards; `synchronized` the embedding itself, with the teacher's as `teacher.reduction`
    reduces it.
    """

    additive_margin: float = 1.0
    feature: float = 1e3
    logit: float = 1e-2
    margin: float = 0.3
    scale: float = 100.0
    temperature: float = 100.0
    mask_duplicates: bool = True
    feature_pattern: str = "after_embedding"

    def __post_init__(self) -> None:
        _require_member(
            "feature_pattern", self.feature_pattern, ("after_embedding", "distillation_first", "synchronized")
        )
        weights = {name: getattr(self, name) for name in ("additive_margin", "feature", "logit")}
        # Not by min(): that of numbers among which is a NaN depends on their order.
        _require(all(weight >= 0 for weight in weights.values()), "The losses' weights must be 0 or more.", **weights)
        _require(
            any(weight > 0 for weight in weights.values()), "At least one loss's weight must be positive.", **weights
        )
        _require(0 <= self.margin < 1, "`margin` must be in [0, 1).", margin=self.margin)
        _require(self.scale > 0, "`scale` must be positive.", scale=self.scale)
        _require(self.temperature > 0, "`temperature` must be positive.", temperature=self.temperature)

    @property
    def needs_teacher(self) -> bool:
        """Whether a distillation loss has a positive weight."""
        return self.feature > 0 or self.logit > 0


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with linear warm-up and a decay to zero, clipped by the global norm.

    The paper names AdamW and the learning rate; warm-up, decay, weight decay and clipping
    are those of LaBSE's published trainer.  `clip_norm` 0 switches clipping off.
    `lazy_adamw` updates only those rows of the token table that a batch uses, which is
    faster and not the same: the other rows' moments do not decay, and neither momentum nor
    weight decay moves these rows.
    """

    name: str = "adamw"
    learning_rate: float = 5e-4
    warmup_steps: int = 5000
    decay: str = "linear"
    weight_decay: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    clip_norm: float = 100.0

    def __post_init__(self) -> None:
        _require_member("name", self.name, ("adamw", "lazy_adamw"))
        _require(self.learning_rate > 0, "`learning_rate` must be positive.", learning_rate=self.learning_rate)
        _require(self.warmup_steps >= 0, "`warmup_steps` must be 0 or more.", warmup_steps=self.warmup_steps)
        _require_member("decay", self.decay, ("linear", "cosine", "constant"))
        _require(self.weight_decay >= 0, "`weight_decay` must be 0 or more.", weight_decay=self.weight_decay)
        for name in ("beta_1", "beta_2"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"`{name}` must be in [0, 1).", **{name: value})
        _require(self.epsilon > 0, "`epsilon` must be positive.", epsilon=self.epsilon)
        _require(self.clip_norm >= 0, "`clip_norm` must be 0 (off) or more.", clip_norm=self.clip_norm)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Length of a run and how it is carried out.

    `checkpoint_every` and `log_every` count steps and must be multiples of
    `steps_per_execution`, the number of steps that run between two visits of the host.
    `init_from` is a checkpoint whose weights the encoder starts from, `stack_from` one with
    fewer layers, which are repeated.  `trained` is `all`, or `reduction`: the dense layer that
    reduces the embeddings of `init_from`, which is frozen, to `encoder.embedding_dim`
    dimensions.  `worker_timeout` is
    the number of seconds for which a worker waits at the start for the others of
    `multi_worker`.  `strategy`, `steps_per_execution` and `worker_timeout` may change when a
    run is started again.
    """

    steps: int = 100_000
    seed: int = 0
    strategy: str = "one_device"
    steps_per_execution: int = 1
    precision: str = "float32"
    jit_compile: bool = False
    checkpoint_every: int = 1000
    log_every: int = 50
    init_from: str = ""
    stack_from: str = ""
    trained: str = "all"
    worker_timeout: float = 600.0

    def __post_init__(self) -> None:
        for name in ("steps", "steps_per_execution", "checkpoint_every", "log_every"):
            value = getattr(self, name)
            _require(value >= 1, f"`{name}` must be at least 1.", **{name: value})
        _require_member("strategy", self.strategy, ("one_device", "mirrored", "multi_worker", "tpu"))
        _require_member("precision", self.precision, ("float32", "mixed_bfloat16"))
        _require_member("trained", self.trained, ("all", "reduction"))
        _require(self.worker_timeout > 0, "`worker_timeout` must be positive.", worker_timeout=self.worker_timeout)
        # NumPy takes 32 bits; the layers count up from the seed, for which half of them leave room.
        _require(0 <= self.seed < 2**31, "`seed` must be in [0, 2 ** 31).", seed=self.seed)
        for name in ("steps", "checkpoint_every", "log_every"):
            value = getattr(self, name)
            _require(
                value % self.steps_per_execution == 0,
                f"`{name}` must be a multiple of `steps_per_execution`.",
                **{name: value, "steps_per_execution": self.steps_per_execution},
            )


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Retrieval on held-out pairs during training.

    `pairs` of every language pair are held out of the corpus (never more than a tenth of
    it) and the translation of each is looked up among them.
    """

    pairs: int = 200

    def __post_init__(self) -> None:
        _require(self.pairs >= 0, "`pairs` must be 0 (no validation) or more.", pairs=self.pairs)


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
        _require(
            self.batch.length <= self.encoder.max_positions,
            "`batch.length` must not exceed `encoder.max_positions`.",
            length=self.batch.length,
            max_positions=self.encoder.max_positions,
        )
        encoder, loss, training = self.encoder, self.loss, self.training
        first = loss.feature > 0 and loss.feature_pattern == "distillation_first"
        _require(
            encoder.embedding_dim > 0 or not first,
            "The pattern `distillation_first` needs `encoder.pooled_dim`, the teacher's width, and "
            "`encoder.embedding_dim`, the width to reduce it to.",
            embedding_dim=encoder.embedding_dim,
        )
        _require(
            loss.additive_margin + loss.logit > 0 or not first,
            "The pattern `distillation_first` needs another loss beside it: it does not reach the last layer.",
            additive_margin=loss.additive_margin,
            logit=loss.logit,
        )
        _require(
            (training.init_from != "" and encoder.embedding_dim > 0) or training.trained != "reduction",
            "`training.trained=reduction` needs `training.init_from`, what to reduce, and `encoder.embedding_dim`.",
            init_from=training.init_from,
            embedding_dim=encoder.embedding_dim,
        )
        _require(
            not (loss.needs_teacher and training.trained == "reduction"),
            "`training.trained=reduction` learns by the additive-margin loss alone: set `loss.feature` and "
            "`loss.logit` to 0.",
            feature=loss.feature,
            logit=loss.logit,
        )
