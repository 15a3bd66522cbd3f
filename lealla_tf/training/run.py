"""A training run from start to end: built, restored, fitted, saved."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import tensorflow as tf

from lealla_tf.checkpoints import RunDirectory, load_checkpoint, save_checkpoint
from lealla_tf.config import Config, to_dict, to_json
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus
from lealla_tf.corpus.specification import split_language_pair
from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import atomic_file, read_json
from lealla_tf.models.encoder import Encoder
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.callbacks import Checkpointing, RunLog
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

    Raises:
        UsageError: if the configuration does not fit the vocabulary, the corpus or the
            machine, or differs from that of the run in `output`.
        DataError: if `output` cannot be used, or a checkpoint is damaged.
        UserError: if the loss is not finite.
    """
    _check(config, vocabulary, corpus, make_teacher is not None)
    run = RunDirectory(output)
    with _exclusive(run.path):
        _claim(run, config, vocabulary, corpus)
        run.remove_others()
        return _Run(config, vocabulary, corpus, run, embed_with, make_teacher).fit()


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
    ) -> None:
        self.config, self.vocabulary, self.corpus, self.run = config, vocabulary, corpus, run
        self.tokenizer = Tokenizer(vocabulary, config.text.mode)
        keras.utils.set_random_seed(config.training.seed)
        tf.config.experimental.enable_op_determinism()
        self.strategy = make_strategy(config.training.strategy)
        if config.batch.size % self.strategy.num_replicas_in_sync:
            raise UsageError(
                f"batch.size must be a multiple of the number of replicas, {self.strategy.num_replicas_in_sync}. "
                f"Received: batch.size={config.batch.size}."
            )
        with self.strategy.scope():
            self.teacher = make_teacher() if make_teacher else None
            self.model = self._build_model()
        self.embed = embed_with(self.model.encoder, self.tokenizer)
        self.first_step = self._restore()

    def fit(self) -> Outcome:
        """Runs the steps that are left."""
        training = self.config.training
        left = training.steps - self.first_step
        if not left:
            print(f"{self.run.path}: all {training.steps:,} steps are done.", file=sys.stderr)
            return self._outcome(training.steps, interrupted=False)
        directory, batch_size = self.run.path, self.config.batch.size
        log = RunLog(directory, training.log_every, self.first_step, training.steps, batch_size)

        def save(step: int) -> None:
            self._save(step, log)

        checkpointing = Checkpointing(save, training.checkpoint_every, self.first_step, training.steps)
        try:
            callbacks = [log, checkpointing]
            self.model.fit(self._batches(), steps_per_epoch=left, shuffle=False, verbose=0, callbacks=callbacks)
        finally:
            checkpointing.restore_signals()
        step = int(self.model.optimizer.iterations.numpy())
        return self._outcome(step, checkpointing.interrupted and step < training.steps)

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

    def _batches(self) -> tf.data.Dataset:
        """The batches of the steps that are left."""
        config = self.config
        mixture = Mixture(
            self.corpus.sources, config.corpus.temperature, config.training.seed, config.batch.window * config.batch.size
        )
        return training_batches(
            mixture,
            self.tokenizer,
            config.batch,
            seed=config.training.seed,
            first_step=self.first_step,
            teacher_inputs=self.teacher.inputs if self.teacher else None,
        )

    def _save(self, step: int, log: RunLog) -> None:
        """Validates, and writes the checkpoint of a step."""
        metrics = validate(self.embed, self.corpus.validation)
        if metrics:
            log.write_validation(step, metrics)
        path = self.run.checkpoint_path(step)
        pairs = [split_language_pair(pair) for pair in self.corpus.sources]
        languages = sorted({language for pair in pairs for language in pair})
        facts = {"step": step, "languages": languages, "corpus": self.corpus.fingerprint, "metrics": metrics}
        save_checkpoint(path, self.model.encoder, self.config, self.vocabulary, facts, read_state(self.model))
        self.run.record(path, metrics.get("validation/precision_at_1"))

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
    if config.loss.needs_teacher and not has_teacher and corpus.teacher is None:
        raise UsageError(
            "The losses need a teacher: name one with --teacher, prepare the corpus with one, or set "
            "loss.feature=0 and loss.logit=0."
        )
    if config.training.strategy == "tpu" and config.batch.buckets:
        raise UsageError("A TPU needs batches of one length: set batch.buckets=[].")


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Keeps a second process out of the run's directory."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{path}: another process is training here; wait for it or name another --output.") from error
        yield


def _claim(run: RunDirectory, config: Config, vocabulary: Vocabulary, corpus: Corpus) -> None:
    """Writes what the run is made of, or checks that it is the same as before."""
    facts = {"vocabulary": vocabulary.fingerprint, "corpus": corpus.fingerprint}
    path = run.path / "config.json"
    if not path.is_file():
        if any(name not in (".lock",) for name in os.listdir(run.path)):
            raise DataError(f"{run.path}: the directory is not empty and holds no run; name another --output.")
        run.create(facts)
        with atomic_file(path) as temporary:
            temporary.write_text(to_json(config), encoding="utf-8")
        return
    if differing := _differences(read_json(path), to_dict(config)):
        raise UsageError(
            f"{run.path} holds a run with other settings ({'; '.join(differing[:3])}); "
            "name another --output, or give the same settings to go on with it."
        )
    for name, value in facts.items():
        if run.facts.get(name) != value:
            raise UsageError(f"{run.path} holds a run with another {name}; name another --output.")


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """The settings that differ, as `name: before, now after`."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [text for name in names for text in _differences(before.get(name), now.get(name), f"{path}.{name}")]
    return [] if before == now else [f"{path.removeprefix('.')} was {before!r} and is {now!r}"]

