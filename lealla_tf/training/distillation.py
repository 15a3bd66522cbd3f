"""A run of the dual encoder: additive-margin softmax and, with a teacher, distillation."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from lealla_tf.config import Config
from lealla_tf.corpus.batching import training_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus
from lealla_tf.errors import DataError, UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.progress import Progress
from lealla_tf.text.tokenizer import Tokenizer
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training.callbacks import Metrics
from lealla_tf.training.distillation_model import DistillationModel
from lealla_tf.training.reduction import load_origin, load_reduction
from lealla_tf.training.run import Outcome, Run, carry_out, check_settings
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


def train(
    config: Config,
    vocabulary: Vocabulary,
    corpus: Corpus,
    output: str | Path,
    embed_with: EmbedWith,
    make_teacher: Callable[[], Teacher] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    progress: Progress = lambda line: None,
) -> Outcome:
    """Trains an encoder, or goes on with the run that `output` holds.

    A run that is started again with the same arguments continues from its last checkpoint,
    data included, and ends with the weights of an unbroken run.  Of several workers, the
    chief writes to `output`, which all of them read.

    Args:
        config: The whole configuration; written to `output/config.json`.
        vocabulary: Of the encoder.
        corpus: What to train and to validate on.
        output: The run's directory.
        embed_with: Gives an `Embed` of an encoder, for validation.
        make_teacher: Loads a teacher that embeds on the fly; called in the strategy's scope.
            Without it, targets come from the corpus.
        strategy: The one of the configuration, where it had to be made before the arguments
            above; by default it is made here.
        progress: Called with a line to show, again and again.

    Returns:
        The last step that was done, whether the run was stopped before its end, and the
        best checkpoint.

    Raises:
        UsageError: if the configuration does not fit the vocabulary, the corpus or the
            machine, or differs from that of the run in `output` or of another worker.
        DataError: if `output` cannot be used, or a checkpoint or the corpus is damaged.
        UserError: if the loss or a weight is not finite, a step does not fit into memory, or
            another worker ends.
    """
    check_settings(config, vocabulary)
    _check_corpus(config, corpus, make_teacher is not None)
    make_run = functools.partial(_DistillationRun, embed_with=embed_with, make_teacher=make_teacher)
    return carry_out(make_run, config, vocabulary, corpus, output, strategy, progress)


class _DistillationRun(Run):
    """A run of `train`."""

    def __init__(self, *args: Any, embed_with: EmbedWith, make_teacher: Callable[[], Teacher] | None) -> None:
        self._make_teacher = make_teacher
        super().__init__(*args)
        self._embed = embed_with(self.model.encoder, self.tokenizer)

    def prepare(self) -> None:
        """Loads the teacher that embeds on the fly, or finds what is to be reduced."""
        self.reduced = load_origin(self.config)
        self.teacher = self._make_teacher() if self._make_teacher else None

    def make_model(self, encoder: Encoder) -> DistillationModel:
        """The model with all its losses."""
        loss, reduce_teacher = self.config.loss, None
        if loss.feature and loss.feature_pattern == "synchronized":
            reduce_teacher = load_reduction(self.config, self.facts["teacher"])
        try:
            return DistillationModel(
                encoder,
                loss,
                self.vocabulary.pad_id,
                self._teacher_dim(),
                self.teacher.embed_inputs if self.teacher else None,
                compile_encoder=self.config.training.jit_compile,
                chunk=self.config.batch.chunk,
                static_shapes=self.config.training.strategy == "tpu",
                reduce_teacher=reduce_teacher,
                reduction_only=self.reduced is not None,
            )
        except ValueError as error:  # how wide the teacher is shows only now
            raise UsageError(str(error)) from error

    def batches(self, mixture: Mixture, worker: int, num_workers: int) -> tf.data.Dataset:
        """A worker's rows of the batches of the steps that are left."""
        return training_batches(
            mixture,
            self.tokenizer,
            self.config.batch,
            seed=self.config.training.seed,
            first_step=self.first_step,
            teacher_inputs=self.teacher.inputs if self.teacher else None,
            worker=worker,
            num_workers=num_workers,
        )

    def validate(self) -> Metrics:
        """Retrieval on the pairs that were held out."""
        return validate(self._embed, self.corpus.validation)

    @property
    def facts(self) -> dict[str, Any]:
        """The teacher whose embeddings the run learns from, or to reduce."""
        if self.reduced is not None:
            return {"teacher": self.reduced.fingerprint}
        if self.teacher is not None:
            return {"teacher": self.teacher.fingerprint}
        return {"teacher": self.corpus.teacher["fingerprint"] if self.corpus.teacher else None}

    def _teacher_dim(self) -> int | None:
        """The width of the teacher's embeddings, if there are any to be had."""
        if self.teacher is not None:
            return self.teacher.dim
        stored = self.corpus.teacher
        if stored is None or (self.reduced is not None and stored["fingerprint"] != self.reduced.fingerprint):
            return None
        return int(stored["dim"])


def _check_corpus(config: Config, corpus: Corpus, has_teacher: bool) -> None:
    """Raises if the corpus does not fit the configuration."""
    if config.loss.needs_teacher and not has_teacher and corpus.teacher is None:
        raise UsageError(
            "The losses need a teacher: name one with --teacher, prepare the corpus with one, or set "
            "loss.feature=0 and loss.logit=0."
        )
    if corpus.num_pairs < 2:
        raise DataError("The corpus has one pair to train on, which has nothing to be told apart from; add others.")
