"""A pre-training run: an encoder learns to guess hidden tokens."""

from pathlib import Path

import tensorflow as tf

from lealla_tf.checkpoints import Checkpoint
from lealla_tf.config import Config
from lealla_tf.corpus.masking import masked_batches
from lealla_tf.corpus.mixing import Mixture
from lealla_tf.corpus.opening import Corpus
from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.progress import Progress
from lealla_tf.text.vocabulary import Vocabulary
from lealla_tf.training import run
from lealla_tf.training.callbacks import Metrics
from lealla_tf.training.pretraining_model import PretrainingModel


def pretrain(
    config: Config,
    vocabulary: Vocabulary,
    corpus: Corpus,
    output: str | Path,
    strategy: tf.distribute.Strategy | None = None,
    progress: Progress = lambda line: None,
) -> run.Outcome:
    """Trains an encoder as a masked language model, or goes on with the run that `output` holds.

    What `lealla_tf.training.distillation.train` says of runs holds here, too: the same arguments
    continue a run that was stopped, and its checkpoints are of the same kind, so that `train`
    can start from them.  The last checkpoint counts as the best.

    Args:
        config: The whole configuration; written to `output/config.json`.
        vocabulary: Of the encoder.
        corpus: The pairs and the monolingual text to learn from.
        output: The run's directory.
        strategy: Where to compute; by default, what the configuration says.
        progress: Called with a line to show, again and again.

    Returns:
        The last step that was done, whether the run was stopped before its end, and the
        last checkpoint.

    Raises:
        UsageError, DataError, UserError: as `train`.
    """
    check_settings(config, vocabulary)
    return run.carry_out(_PretrainingRun, config, vocabulary, corpus, output, strategy, progress)


def check_settings(config: Config, vocabulary: Vocabulary) -> None:
    """Raises `UsageError` if no pre-training can be made of these, whatever the text."""
    run.check_settings(config, vocabulary)
    if config.batch.chunk:
        raise UsageError("Pre-training embeds whole batches: set batch.chunk=0.")
    if config.batch.length < 5:
        raise UsageError(f"batch.length must be at least 5, for two segments. Received: {config.batch.length}.")


class _PretrainingRun(run.Run):
    """A run of `pretrain`."""

    model: PretrainingModel

    def make_model(self, encoder: Encoder) -> PretrainingModel:
        """The masked language model."""
        return PretrainingModel(encoder, self.vocabulary.pad_id, compile_encoder=self.config.training.jit_compile)

    def batches(self, mixture: Mixture, worker: int, num_workers: int) -> tf.data.Dataset:
        """A worker's rows of the batches of the steps that are left."""
        return masked_batches(
            mixture,
            self.tokenizer,
            self.config.batch,
            self.config.pretraining,
            seed=self.config.training.seed,
            first_step=self.first_step,
            worker=worker,
            num_workers=num_workers,
        )

    def validate(self) -> Metrics:
        """Nothing: of two checkpoints the later one has learnt from more text."""
        return {}

    def adopt(self, checkpoint: Checkpoint) -> None:
        """The encoder's weights, and the head's where the checkpoint is one of pre-training."""
        super().adopt(checkpoint)
        state = checkpoint.read_training_state()
        for name, variable in self.model.extra_weights.items():
            if name in state:
                variable.assign(state[name])
