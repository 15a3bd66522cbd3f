"""The weighted sum of the three losses, over one replica's rows of the global batch."""

from typing import Any, NamedTuple

from keras import ops

from lealla_tf.config import LossConfig
from lealla_tf.losses.additive_margin import additive_margin_softmax, duplicates
from lealla_tf.losses.blockwise import blockwise_additive_margin, blockwise_logit_distillation
from lealla_tf.losses.distillation import feature_distillation, logit_distillation


class Pairs(NamedTuple):
    """Something of the source sides and of the target sides, row by row."""

    source: Any
    target: Any


class CombinedLoss:
    """L = alpha L_ams + beta L_fd + gamma L_ld as a sum over the rows at hand.

    Each replica calls this with its own rows and everybody's embeddings and gets its part
    of the loss; the parts of all replicas *sum* to the loss of the global batch, so that
    gradients summed over replicas are those of the global loss and no other division by
    the number of replicas is needed anywhere.

    Args:
        config: Weights and constants. A term of weight 0 is not computed.
        block: Compute the similarities for so many rows at a time, and their gradient with
            them; 0 holds those of all rows at once.

    Reference: LEALLA, equation 5.
    """

    def __init__(self, config: LossConfig, block: int = 0) -> None:
        self.config = config
        self.block = block

    def __call__(
        self,
        student: Pairs,
        all_students: Pairs,
        *,
        fingerprints: Pairs | None = None,
        projected: Pairs | None = None,
        feature_teacher: Pairs | None = None,
        teacher: Pairs | None = None,
        all_teachers: Pairs | None = None,
        first_row: Any = 0,
    ) -> dict[str, Any]:
        """The parts of the loss that belong to the rows of `student`.

        Args:
            student: Embeddings of this replica's rows, `(rows, dim)` each, unit length.
            all_students: Embeddings of the global batch, `(batch, dim)` each.
            fingerprints: Integers `(batch,)` each, equal for equal texts; needed if the
                configuration masks duplicates.
            projected: What is compared with the teacher, `(rows, width)` each; needed for
                feature distillation.
            feature_teacher: What it is compared with, `(rows, width)` each; `None` for `teacher`.
            teacher: Embeddings of this replica's rows, `(rows, teacher_dim)` each, unit length.
            all_teachers: Those of the global batch; needed for logit distillation.
            first_row: The row of the global batch that `student` begins at.

        Returns:
            `loss`, and the unweighted terms `additive_margin`, `feature`, `logit` of those
            whose weight is positive: float32 scalars, each already divided by the size of
            the global batch.

        Raises:
            ValueError: if something that a term needs is missing.
        """
        batch = ops.cast(ops.shape(all_students.source)[0], "float32")
        terms: dict[str, Any] = {}
        if self.config.additive_margin:
            total = self._additive_margin(student, all_students, fingerprints, first_row)
            terms["additive_margin"] = total / batch
        if self.config.feature:
            wanted, given = _needed("feature", teacher=feature_teacher or teacher, projected=projected)
            rows = feature_distillation(wanted.source, given.source) + feature_distillation(wanted.target, given.target)
            terms["feature"] = ops.sum(rows) / batch
        if self.config.logit:
            own, everybody = _needed("logit", teacher=teacher, all_teachers=all_teachers)
            matrices = (own.source, everybody.target, student.source, all_students.target)
            terms["logit"] = self._logit(*matrices) / batch
        total = sum(getattr(self.config, name) * term for name, term in terms.items())
        return {"loss": total, **terms}

    def _additive_margin(self, student: Pairs, everybody: Pairs, fingerprints: Pairs | None, first_row: Any) -> Any:
        """The sum of L(x_i, y_i) + L(y_i, x_i) over the rows."""
        known = None
        if self.config.mask_duplicates:
            (known,) = _needed("additive_margin with `mask_duplicates`", fingerprints=fingerprints)
        directions = (student.source, everybody.target), (student.target, everybody.source)
        arguments = {"margin": self.config.margin, "scale": self.config.scale, "first_row": first_row}
        if self.block:
            arguments |= {"block": self.block, "fingerprints": known}
            return sum(blockwise_additive_margin(*sides, **arguments) for sides in directions)
        if known is not None:
            arguments["excluded"] = duplicates(*known, first_row + ops.arange(ops.shape(student.source)[0]))
        return ops.sum(sum(additive_margin_softmax(*sides, **arguments) for sides in directions))

    def _logit(self, *matrices: Any) -> Any:
        """The sum of 1/N sum_j ( T phi(X_i, Y_j) - T phi(x_i, y_j) )^2 over the rows."""
        temperature = self.config.temperature
        if self.block:
            return blockwise_logit_distillation(*matrices, temperature=temperature, block=self.block)
        return ops.sum(logit_distillation(*matrices, temperature=temperature))


def _needed(loss: str, **given: Pairs | None) -> list[Pairs]:
    """The arguments of a term, none of which may be missing."""
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise ValueError(f"The loss {loss} needs {', '.join(f'`{name}`' for name in missing)}. Received: None.")
    return [value for value in given.values() if value is not None]
