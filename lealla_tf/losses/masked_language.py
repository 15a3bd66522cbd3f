"""The loss of a masked language model, and how often it is right."""

from typing import Any, NamedTuple

from keras import ops


class MaskedLanguageSums(NamedTuple):
    """Sums over the masked positions of a batch, float32 scalars."""

    loss: Any
    correct: Any
    count: Any


def masked_language_sums(logits: Any, labels: Any, weights: Any) -> MaskedLanguageSums:
    """sum_p w_p (log sum_v e^{z_pv} - z_{p, l_p}), with the number of right guesses and of positions.

    Sums and not means: the mean is over the positions of all replicas, which divide by the
    sum of their counts.

    Args:
        logits: z, `(batch, positions, vocabulary_size)`.
        labels: l, the ids of the hidden tokens, int32 `(batch, positions)`.
        weights: w, 1 at a masked position and 0 where a row has fewer of them, `(batch, positions)`.

    Returns:
        The sums of the loss, of positions whose most likely piece is the label, and of w.

    Reference: Devlin et al., 2019, section 3.1, task 1.
    """
    logits = ops.cast(logits, "float32")
    weights = ops.cast(weights, "float32")
    of_label = ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1), axis=-1)
    loss = ops.logsumexp(logits, axis=-1) - of_label
    is_right = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), labels.dtype), labels), "float32")
    return MaskedLanguageSums(ops.sum(weights * loss), ops.sum(weights * is_right), ops.sum(weights))
