"""A training run from start to end: built, restored, fitted, saved."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from lealla_tf.checkpoints import RunDirectory, load_checkpoint, save_checkpoint
from lealla_tf.config import Config
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus
from lealla_tf.corpus.segments import Segment
from lealla_tf.corpus.specification import split_language_pair
from lealla_tf.errors import DataError, UsageError, UserError
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.callbacks import Checkpointing, Progress, RunLog, diverged
from lealla_tf.training.claim import claimed_run
from lealla_tf.training.cross_replica import replica_id
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.state import read_state, restore_state
from lealla_tf.training.strategy import make_strategy
from lealla_tf.training.validation import Embed, validate

EmbedWith = Callable[[Encoder, Tokenizer], Embed]


class Teacher(Protocol):
    """A frozen model to distil from, as a run needs it."""

    dim: int
    fingerprint: str

    def inputs(self, sentences: Any) -> Any:
        """From strings `(rows,)` to what `embed_inputs` takes, in the graph of the data."""

    def embed_inputs(self, inputs: Any) -> Any:
        """Unit-length embeddings float32 `(rows, dim)`, in the graph of the step."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after which step, and whether it was told to stop before its last one."""

    step: int
    interrupted: bool
    best: Path


def train(
    config: Config,
    vocabulary: Vocabulary,
    corpus: Corpus,
    output: str | Path,
    embed_with: EmbedWith,
    make_teacher: Callable[[], Teacher] | None = None,
    progress: Progress = lambda line: None,
) -> Outcome:
    """Trains an encoder, or goes on with the run that `output` holds.

    A run that is started again with the same arguments continues from its last checkpoint,
    data included, and ends with the weights of an unbroken run.

    Args:
        config: The whole configuration; written to `output/config.json`.
        vocabulary: Of the encoder.
        corpus: What to train and to validate on.
        output: The run's directory.
        embed_with: Gives an `Embed` of an encoder, for validation.
        make_teacher: Loads a teacher that embeds on the fly; called in the strategy's scope.
            Without it, targets come from the corpus.
        progress: Called with a line to show, again and again.

    Returns:
        The last step that was done, whether the run was stopped before its end, and the
        best checkpoint.

    Raises:
        UsageError: if the configuration does not fit the vocabulary, the corpus or the
            machine, or differs from that of the run in `output`.
        DataError: if `output` cannot be used, or a checkpoint or the corpus is damaged.
        UserError: if the loss or a weight is not finite, or a step does not fit into memory.
    """
    _check(config, vocabulary, corpus, make_teacher is not None)
    facts = {"vocabulary": vocabulary.fingerprint, "corpus": corpus.fingerprint}
    with claimed_run(Path(output), config, facts) as run:
        return _Run(config, vocabulary, corpus, run, embed_with, make_teacher, progress).fit()


class _WatchedMixture(Mixture):
    """Remembers why a window could not be read: tf.data tells no more than that it could not."""

    error: DataError | None = None

    def window(self, number: int) -> Segment:
        """The pairs of one window."""
        try:
            return super().window(number)
        except DataError as error:
            self.error = error
            raise


class _Run:
    """The parts of a run, built in the scope of its strategy."""

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        corpus: Corpus,
        run: RunDirectory,
        embed_with: EmbedWith,
        make_teacher: Callable[[], Teacher] | None,
        progress: Progress,
    ) -> None:
        self.config, self.vocabulary, self.corpus, self.run = config, vocabulary, corpus, run
        self.progress = progress
        self.tokenizer = Tokenizer(vocabulary, config.text.mode)
        self.strategy = make_strategy(config.training.strategy)
        if config.batch.size % self.strategy.num_replicas_in_sync:
            raise UsageError(
                f"batch.size must be a multiple of the number of replicas, {self.strategy.num_replicas_in_sync}. "
                f"Received: batch.size={config.batch.size}."
            )
        with self.strategy.scope():
            self.teacher = make_teacher() if make_teacher else None
            # After the teacher, whose making draws numbers too: the student's first weights are those of the seed.
            keras.utils.set_random_seed(config.training.seed)
            tf.config.experimental.enable_op_determinism()
            self.model = self._build_model()
        self.embed = embed_with(self.model.encoder, self.tokenizer)
        self.first_step = self._restore()

    def fit(self) -> Outcome:
        """Runs the steps that are left."""
        training = self.config.training
        left = training.steps - self.first_step
        if not left:
            self.progress(f"{self.run.path}: all {training.steps:,} steps are done.")
            return self._outcome(training.steps, interrupted=False)
        bounds = self.first_step, training.steps
        log = RunLog(self.run.path, training.log_every, *bounds, self.config.batch.size, self.progress)

        def save(step: int) -> None:
            self._save(step, log)

        checkpointing = Checkpointing(save, training.checkpoint_every, *bounds, self.progress)
        try:
            self._fit(left, [log, checkpointing])
        finally:
            checkpointing.restore_signals()
        step = int(self.model.optimizer.iterations.numpy())
        return self._outcome(step, checkpointing.interrupted and step < training.steps)

    def _fit(self, steps: int, callbacks: list[keras.callbacks.Callback]) -> None:
        """Keras' `fit`, with what goes wrong in it for reasons that a user can mend told as such."""
        config = self.config
        window = config.batch.window * config.batch.size
        mixture = _WatchedMixture(self.corpus.sources, config.corpus.temperature, config.training.seed, window)
        try:
            batches = self._batches(mixture)
            self.model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=callbacks)
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(
                "A step does not fit into the memory of the device. Lower batch.size or batch.length, and start again "
                "in a new directory."
            ) from error
        except tf.errors.OpError as error:
            if mixture.error is None:
                raise
            raise mixture.error from error

    def _build_model(self) -> DistillationModel:
        """The model and its optimizer, with all their variables."""
        config, training = self.config, self.config.training
        encoder = Encoder.from_encoder_config(
            config.encoder, seed=training.seed, replica_id=replica_id, dtype=training.precision
        )
        teacher_dim = None
        if self.teacher is not None:
            teacher_dim = self.teacher.dim
        elif self.corpus.teacher is not None:
            teacher_dim = self.corpus.teacher["dim"]
        model = DistillationModel(
            encoder,
            config.loss,
            self.vocabulary.pad_id,
            teacher_dim,
            self.teacher.embed_inputs if self.teacher else None,
            compile_encoder=training.jit_compile,
        )
        optimizer = make_optimizer(config.optimizer, training.steps)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, steps_per_execution=training.steps_per_execution, jit_compile=False)
        return model

    def _restore(self) -> int:
        """Loads the last checkpoint, or the weights to start from; gives the step."""
        if self.run.last is not None:
            checkpoint = load_checkpoint(self.run.last)
            if checkpoint.manifest.get("teacher") != self._teacher_fingerprint():
                raise UsageError(f"{self.run.path} holds a run with another teacher; name another --output.")
            restore_state(self.model, checkpoint.read_training_state(), str(checkpoint.directory))
            return int(checkpoint.manifest["step"])
        if self.config.training.init_from:
            checkpoint = load_checkpoint(self.config.training.init_from)
            if checkpoint.vocabulary != self.vocabulary:
                raise UsageError(
                    f"{checkpoint.directory}: was trained with another vocabulary; start from it with its own "
                    f"--vocabulary={checkpoint.directory / 'vocabulary.txt'}."
                )
            checkpoint.assign_to(self.model.encoder)
        return 0

    def _batches(self, mixture: Mixture) -> tf.data.Dataset:
        """The batches of the steps that are left."""
        return training_batches(
            mixture,
            self.tokenizer,
            self.config.batch,
            seed=self.config.training.seed,
            first_step=self.first_step,
            teacher_inputs=self.teacher.inputs if self.teacher else None,
        )

    def _save(self, step: int, log: RunLog) -> None:
        """Validates, and writes the checkpoint of a step."""
        state = read_state(self.model)
        # A finite loss may have a gradient that is not; the checkpoint before it must stay.
        if not all(np.isfinite(value).all() for value in state.values()):
            raise diverged(f"The weights are not finite after step {step}")
        try:
            metrics = validate(self.embed, self.corpus.validation)
        except FloatingPointError as error:
            raise diverged(f"The embeddings are not finite after step {step}") from error
        if metrics:
            log.write_validation(step, metrics)
        pairs = [split_language_pair(pair) for pair in self.corpus.sources]
        languages = sorted({language for pair in pairs for language in pair})
        facts = {
            "step": step,
            "languages": languages,
            "corpus": self.corpus.fingerprint,
            "teacher": self._teacher_fingerprint(),
            "metrics": metrics,
        }
        path = self.run.checkpoint_path(step)
        try:
            save_checkpoint(path, self.model.encoder, self.config, self.vocabulary, facts, state)
            self.run.record(path, metrics.get("validation/precision_at_1"))
        except OSError as error:
            raise DataError(
                f"{path}: cannot be written ({error.strerror}); the checkpoint before it is kept. "
                "Make room, and start the same command again."
            ) from error

    def _teacher_fingerprint(self) -> str | None:
        """Of the teacher whose targets the run learns from."""
        if self.teacher is not None:
            return self.teacher.fingerprint
        return self.corpus.teacher["fingerprint"] if self.corpus.teacher else None

    def _outcome(self, step: int, interrupted: bool) -> Outcome:
        best = self.run.best
        if best is None:
            raise DataError(f"{self.run.path}: the run has no checkpoint.")
        return Outcome(step, interrupted, best)


def _check(config: Config, vocabulary: Vocabulary, corpus: Corpus, has_teacher: bool) -> None:
    """Raises `UsageError` if the parts of a run do not fit together."""
    if config.encoder.vocabulary_size != len(vocabulary):
        raise UsageError(
            f"encoder.vocabulary_size must be the size of the vocabulary, {len(vocabulary)}. "
            f"Received: {config.encoder.vocabulary_size}."
        )
    if config.optimizer.warmup_steps > config.training.steps:
        raise UsageError(
            f"optimizer.warmup_steps must not exceed training.steps, {config.training.steps}. "
            f"Received: {config.optimizer.warmup_steps}."
        )
    if config.loss.needs_teacher and not has_teacher and corpus.teacher is None:
        raise UsageError(
            "The losses need a teacher: name one with --teacher, prepare the corpus with one, or set "
            "loss.feature=0 and loss.logit=0."
        )
    if config.training.strategy == "tpu" and config.batch.buckets:
        raise UsageError("A TPU needs batches of one length: set batch.buckets=[].")
