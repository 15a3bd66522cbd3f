"""A training run from start to end: built, restored, fitted, saved."""

import abc
import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lealla_tf.checkpoints import Checkpoint, RunDirectory, load_checkpoint, save_checkpoint, stack_into
from lealla_tf.config import BatchConfig, Config
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus
from lealla_tf.corpus.segments import Segment
from lealla_tf.corpus.specification import languages_of
from lealla_tf.errors import DataError, UsageError, UserError
from lealla_tf.models.encoder import Encoder
from lealla_tf.progress import Progress
from lealla_tf.settings import to_json
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.callbacks import Checkpointing, Metrics, RunLog, diverged
from lealla_tf.training.claim import claimed_run, joined_run
from lealla_tf.training.execution import execution_of
from lealla_tf.training.optimizer import make_optimizer
from lealla_tf.training.replicated_model import ReplicatedModel
from lealla_tf.training.state import read_state, restore_state
from lealla_tf.training.strategy import distribute_batches, make_strategy
from lealla_tf.training.workers import Workers


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after which step, and whether it was told to stop before its last one."""

    step: int
    interrupted: bool
    best: Path


def carry_out(
    make_run: Callable[..., "Run"],
    config: Config,
    vocabulary: Vocabulary,
    corpus: Corpus,
    output: str | Path,
    strategy: tf.distribute.Strategy | None,
    progress: Progress,
) -> Outcome:
    """Claims the directory `output` for the run that `make_run` makes there, and carries it out.

    Args:
        make_run: Called with the arguments of `Run`.
        config: As those of `lealla_tf.training.distillation.train`, which see, and so the others.
        vocabulary: Of the encoder.
        corpus: What to train on.
        output: The run's directory.
        strategy: Where to compute; by default, what the configuration says.
        progress: Called with a line to show, again and again.

    Returns, raises: as `train`.
    """
    facts = {"vocabulary": vocabulary.fingerprint, "corpus": corpus.fingerprint}
    strategy = strategy or make_strategy(config.training.strategy, config.training.worker_timeout, progress)
    workers = Workers(strategy)
    with workers.failing_together(), contextlib.ExitStack() as stack:
        if workers.is_chief:
            run = stack.enter_context(claimed_run(Path(output), config, facts))
        workers.require_same(settings=to_json(config), **facts)
        if not workers.is_chief:
            run = joined_run(Path(output))
        return make_run(config, vocabulary, corpus, run, strategy, workers, progress).fit()


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


class Run(abc.ABC):
    """The parts of a run, built in the scope of its strategy; a subclass says what is learnt.

    Args:
        config: The whole configuration.
        vocabulary: Of the encoder.
        corpus: What to train on.
        run: The run's directory, which this process or the chief has claimed.
        strategy: Where to compute.
        workers: Those of the strategy.
        progress: Called with a line to show, again and again.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        corpus: Corpus,
        run: RunDirectory,
        strategy: tf.distribute.Strategy,
        workers: Workers,
        progress: Progress,
    ) -> None:
        self.config, self.vocabulary, self.corpus, self.run = config, vocabulary, corpus, run
        self.strategy, self.workers, self.progress = strategy, workers, progress
        self.tokenizer = Tokenizer(vocabulary, config.text.mode)
        _check_rows(config.batch, self.strategy.num_replicas_in_sync)
        with self.strategy.scope():
            self.prepare()
            # After what was loaded, whose making draws numbers too: the first weights are those of the seed.
            keras.utils.set_random_seed(config.training.seed)
            tf.config.experimental.enable_op_determinism()
            self.model = self._build_model()
        self.first_step = self._restore()
        _check_first_step(self.first_step, config.training.steps_per_execution)
        workers.require_same(output_directory=str(self.first_step))

    def prepare(self) -> None:  # noqa: B027 - most runs have nothing to load
        """Loads what the model needs, in the strategy's scope."""

    @abc.abstractmethod
    def make_model(self, encoder: Encoder) -> ReplicatedModel:
        """The model that learns, not compiled."""

    @abc.abstractmethod
    def batches(self, mixture: Mixture, worker: int, num_workers: int) -> tf.data.Dataset:
        """A worker's rows of the batches of the steps that are left."""

    @abc.abstractmethod
    def validate(self) -> Metrics:
        """The metrics of a checkpoint; by `validation/precision_at_1`, if it is there, the best one is chosen."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint's manifest says of this kind of run; a run that goes on must have the same."""
        return {}

    def adopt(self, checkpoint: Checkpoint) -> None:
        """Gives the model what it starts from, of `training.init_from` or `training.stack_from`."""
        if self.config.training.stack_from:
            stack_into(self.model.encoder, checkpoint)
        else:
            checkpoint.start(self.model.encoder)

    def fit(self) -> Outcome:
        """Runs the steps that are left."""
        training = self.config.training
        left = training.steps - self.first_step
        if not left:
            self.progress(f"{self.run.path}: all {training.steps:,} steps are done.")
            return self._outcome(training.steps, interrupted=False)
        bounds = self.first_step, training.steps
        directory = self.run.path if self.workers.is_chief else None
        log = RunLog(directory, training.log_every, *bounds, self.config.batch.size, self.progress)

        def save(step: int) -> None:
            self._save(step, log)

        checkpointing = Checkpointing(save, training.checkpoint_every, *bounds, self.workers.any, self.progress)
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
            batches = distribute_batches(self.strategy, functools.partial(self.batches, mixture))
            self.model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=callbacks)
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(
                "A step does not fit into the memory of the device. Lower batch.size or batch.length, or embed fewer "
                "pairs at a time with --chunk, and start again in a new directory."
            ) from error
        except tf.errors.OpError as error:
            if mixture.error is None:
                raise
            raise mixture.error from error

    def _build_model(self) -> ReplicatedModel:
        """The model and its optimizer, with all their variables."""
        config, training = self.config, self.config.training
        encoder = Encoder.from_encoder_config(
            config.encoder, seed=training.seed, execution=execution_of(training), dtype=training.precision
        )
        model = self.make_model(encoder)
        optimizer = make_optimizer(config.optimizer, training.steps)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, steps_per_execution=training.steps_per_execution, jit_compile=False)
        return model

    def _restore(self) -> int:
        """Loads the last checkpoint, or the weights to start from; gives the step."""
        if self.run.last is not None:
            checkpoint = load_checkpoint(self.run.last)
            for name, value in self.facts.items():
                if checkpoint.manifest.get(name) != value:
                    raise UsageError(f"{self.run.path} holds a run with another {name}; name another --output.")
            restore_state(self.model, checkpoint.read_training_state(), str(checkpoint.directory))
            return int(checkpoint.manifest["step"])
        if origin := self.config.training.init_from or self.config.training.stack_from:
            checkpoint = load_checkpoint(origin)
            checkpoint.check_vocabulary(self.vocabulary)
            self.adopt(checkpoint)
        return 0

    def _save(self, step: int, log: RunLog) -> None:
        """Validates, and writes the checkpoint of a step, if this is the chief."""
        state = read_state(self.model)
        # A finite loss may have a gradient that is not; the checkpoint before it must stay.
        if not all(np.isfinite(value).all() for value in state.values()):
            raise diverged(f"The weights are not finite after step {step}")
        if not self.workers.is_chief:
            return
        try:
            metrics = self.validate()
        except FloatingPointError as error:
            raise diverged(f"The embeddings are not finite after step {step}") from error
        if metrics:
            log.write_validation(step, metrics)
        languages = sorted({language for source in self.corpus.sources for language in languages_of(source)})
        facts = {
            "step": step,
            "languages": languages,
            "corpus": self.corpus.fingerprint,
            "metrics": metrics,
            **self.facts,
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

    def _outcome(self, step: int, interrupted: bool) -> Outcome:
        best = RunDirectory(self.run.path).best
        if best is None:
            raise DataError(f"{self.run.path}: the run has no checkpoint.")
        return Outcome(step, interrupted, best)


def check_settings(config: Config, vocabulary: Vocabulary) -> None:
    """Raises `UsageError` if a run cannot be made of these, whatever the corpus: for use before it is read."""
    if config.encoder.vocabulary_size != len(vocabulary):
        raise UsageError(
            f"encoder.vocabulary_size must be the size of the vocabulary, {len(vocabulary)}. "
            f"Received: {config.encoder.vocabulary_size}."
        )
    if config.optimizer.warmup_steps > config.training.steps:
        raise UsageError(
            f"optimizer.warmup_steps must not exceed training.steps, {config.training.steps}; set both. "
            f"Received: {config.optimizer.warmup_steps}."
        )
    if config.training.init_from and config.training.stack_from:
        raise UsageError("A run starts from one checkpoint: set training.init_from or training.stack_from, not both.")
    if config.training.strategy == "tpu" and config.batch.buckets:
        raise UsageError("A TPU needs batches of one length: set batch.buckets=[].")
    if config.training.strategy == "tpu" and config.optimizer.name == "lazy_adamw":
        raise UsageError("A TPU updates whole tables: set optimizer.name=adamw.")


def _check_first_step(step: int, per_execution: int) -> None:
    """Raises `UsageError` if an execution would reach beyond the end of a run that goes on from `step`."""
    if step % per_execution:
        raise UsageError(
            f"training.steps_per_execution must divide the step that the run goes on from, {step}. "
            f"Received: training.steps_per_execution={per_execution}."
        )


def _check_rows(batch: BatchConfig, replicas: int) -> None:
    """Raises `UsageError` if the batch cannot be shared out."""
    if batch.size % replicas:
        raise UsageError(
            f"batch.size must be a multiple of the number of replicas, {replicas}. Received: batch.size={batch.size}."
        )
    rows = batch.size // replicas
    if batch.chunk and rows % batch.chunk:
        raise UsageError(f"batch.chunk must divide the rows of a replica, {rows}. Received: batch.chunk={batch.chunk}.")
