"""How it is learned: teacher, losses, optimizer, and how a run is carried out."""

from dataclasses import dataclass

from lealla_tf.config.rules import require, require_member


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
        require(
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
        require_member(
            "feature_pattern", self.feature_pattern, ("after_embedding", "distillation_first", "synchronized")
        )
        weights = {name: getattr(self, name) for name in ("additive_margin", "feature", "logit")}
        # Not by min(): that of numbers among which is a NaN depends on their order.
        require(all(weight >= 0 for weight in weights.values()), "The losses' weights must be 0 or more.", **weights)
        require(
            any(weight > 0 for weight in weights.values()), "At least one loss's weight must be positive.", **weights
        )
        require(0 <= self.margin < 1, "`margin` must be in [0, 1).", margin=self.margin)
        require(self.scale > 0, "`scale` must be positive.", scale=self.scale)
        require(self.temperature > 0, "`temperature` must be positive.", temperature=self.temperature)

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
        require_member("name", self.name, ("adamw", "lazy_adamw"))
        require(self.learning_rate > 0, "`learning_rate` must be positive.", learning_rate=self.learning_rate)
        require(self.warmup_steps >= 0, "`warmup_steps` must be 0 or more.", warmup_steps=self.warmup_steps)
        require_member("decay", self.decay, ("linear", "cosine", "constant"))
        require(self.weight_decay >= 0, "`weight_decay` must be 0 or more.", weight_decay=self.weight_decay)
        for name in ("beta_1", "beta_2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"`{name}` must be in [0, 1).", **{name: value})
        require(self.epsilon > 0, "`epsilon` must be positive.", epsilon=self.epsilon)
        require(self.clip_norm >= 0, "`clip_norm` must be 0 (off) or more.", clip_norm=self.clip_norm)


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
            require(value >= 1, f"`{name}` must be at least 1.", **{name: value})
        require_member("strategy", self.strategy, ("one_device", "mirrored", "multi_worker", "tpu"))
        require_member("precision", self.precision, ("float32", "mixed_bfloat16"))
        require_member("trained", self.trained, ("all", "reduction"))
        require(self.worker_timeout > 0, "`worker_timeout` must be positive.", worker_timeout=self.worker_timeout)
        # NumPy takes 32 bits; the layers count up from the seed, for which half of them leave room.
        require(0 <= self.seed < 2**31, "`seed` must be in [0, 2 ** 31).", seed=self.seed)
        for name in ("steps", "checkpoint_every", "log_every"):
            value = getattr(self, name)
            require(
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
        require(self.pairs >= 0, "`pairs` must be 0 (no validation) or more.", pairs=self.pairs)
