"""Dimension reduction: what a run that learns it starts from, and what a run that needs it makes of its result."""

from collections.abc import Callable
from typing import Any

from keras import ops

from lealla_tf.checkpoints import Checkpoint, load_checkpoint
from lealla_tf.config import Config
from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import unit_length


def load_origin(config: Config) -> Checkpoint | None:
    """The frozen model whose embeddings a run learns to reduce; `None` for a run that learns something else.

    Raises:
        UsageError: if that model reduces its embeddings already.
    """
    if config.training.trained != "reduction":
        return None
    checkpoint = load_checkpoint(config.training.init_from)
    if checkpoint.config.encoder.embedding_dim:
        raise UsageError(
            f"training.init_from must be a model that is not reduced. Received: {config.training.init_from}, which is "
            f"reduced to {checkpoint.config.encoder.embedding_dim} dimensions; name the model that it was made of."
        )
    return checkpoint


def load_reduction(config: Config, teacher: str | None) -> Callable[[Any], Any]:
    """What the pattern `synchronized` compares the student with: D X + c at unit length, D and c frozen.

    Args:
        config: Of the student; names the run that learned D and c.
        teacher: The fingerprint of the teacher that gives X.

    Raises:
        UsageError: if no such run is named, or it is of another teacher or width.

    Reference: LEALLA, appendix C.
    """
    path = config.teacher.reduction
    if not path:
        raise UsageError("The pattern synchronized needs a run with training.trained=reduction: set teacher.reduction.")
    checkpoint = load_checkpoint(path)
    if checkpoint.config.training.trained != "reduction":
        raise UsageError(f"teacher.reduction must be a run with training.trained=reduction. Received: {path}.")
    if checkpoint.manifest.get("teacher") != teacher:
        raise UsageError(f"{path} reduces another teacher than the one to distil from; learn a reduction of that one.")
    if checkpoint.config.encoder.dim != config.encoder.dim:
        raise UsageError(
            f"teacher.reduction must reduce to the width of the student's embeddings, {config.encoder.dim}. "
            f"Received: {path}, which reduces to {checkpoint.config.encoder.dim}."
        )
    weights = checkpoint.read_weights()
    kernel, bias = weights["reduction/kernel"], weights["reduction/bias"]
    return lambda embeddings: unit_length(ops.matmul(embeddings, kernel) + bias)
