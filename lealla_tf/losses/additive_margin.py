"""Additive-margin softmax over in-batch negatives."""

from typing import Any

from keras import ops

# Added to the logit of a pair that is not to count as a negative: exp() of it is 0.
_EXCLUDED = -1e9


def similarities(queries: Any, keys: Any) -> Any:
    """Inner products `(rows, batch)` of `(rows, dim)` and `(batch, dim)`, in float32."""
    return ops.matmul(ops.cast(queries, "float32"), ops.transpose(ops.cast(keys, "float32")))


def additive_margin_softmax(
    queries: Any, keys: Any, *, margin: float, scale: float, first_row: Any = 0, excluded: Any = None
) -> Any:
    """The loss of each query against the keys of the whole batch.

        L(x_i, y_i) = -log( e^{s (phi(x_i, y_i) - m)}
                            / ( e^{s (phi(x_i, y_i) - m)} + sum_{n != i} e^{s phi(x_i, y_n)} ) )

    Args:
        queries: x, `(rows, dim)`, unit length; rows `first_row` to `first_row + rows` of the
            batch, which is all of it on a single device.
        keys: y, `(batch, dim)`, unit length.
        margin: m in [0, 1).
        scale: s.
        first_row: The batch row of the first query; an integer or an integer tensor.
        excluded: Bool `(rows, batch)`, pairs left out of the sum over n; or `None`.

    Returns:
        float32 `(rows,)`.

    Reference: LEALLA, equation 2; Yang et al., 2019, equation 4.
    """
    own = own_pairs(first_row + ops.arange(ops.shape(queries)[0]), ops.shape(keys)[0])
    logits = margin_logits(similarities(queries, keys), own, margin, scale, excluded)
    positive = ops.sum(ops.where(own, logits, 0.0), axis=-1)
    return ops.logsumexp(logits, axis=-1) - positive


def own_pairs(rows: Any, batch: Any) -> Any:
    """Bool `(rows, batch)`: where the key is the one that belongs to the batch row of the query."""
    return ops.equal(ops.arange(batch)[None, :], rows[:, None])


def margin_logits(cosines: Any, own: Any, margin: float, scale: float, excluded: Any = None) -> Any:
    """What the softmax is taken of: s (phi - m) of the own pair, s phi of the others.

    Args:
        cosines: phi, `(rows, batch)`.
        own: Bool `(rows, batch)`, as `own_pairs` gives it.
        margin: m.
        scale: s.
        excluded: Bool `(rows, batch)`, pairs that are to add nothing to the sum; or `None`.

    Returns:
        float32 `(rows, batch)`.
    """
    logits = scale * cosines - scale * margin * ops.cast(own, "float32")
    if excluded is None:
        return logits
    return ops.where(ops.logical_and(excluded, ops.logical_not(own)), _EXCLUDED, logits)


def duplicates(source_fingerprints: Any, target_fingerprints: Any, rows: Any = None) -> Any:
    """Which pairs of rows hold the same source text or the same target text.

    Args:
        source_fingerprints: Integer `(batch,)`, equal where the source texts are equal.
        target_fingerprints: The same of the target texts.
        rows: The batch rows wanted, integers `(rows,)`; all if `None`.

    Returns:
        Bool `(rows, batch)`; a row is a duplicate of itself.
    """
    same = []
    for fingerprints in (source_fingerprints, target_fingerprints):
        wanted = fingerprints if rows is None else ops.take(fingerprints, rows, axis=0)
        same.append(ops.equal(wanted[:, None], fingerprints[None, :]))
    return ops.logical_or(*same)


class AdditiveMarginSoftmax:
    """L_ams = 1/N sum_i [ L(x_i, y_i) + L(y_i, x_i) ] of a batch of N pairs.

    Args:
        margin: m in [0, 1).
        scale: s, positive.

    Call arguments:
        source: x, `(batch, dim)`, unit length.
        target: y, `(batch, dim)`, unit length.
        excluded: Bool `(batch, batch)`, symmetric: pairs of rows that are not each other's
            negatives, as `duplicates` gives them; or `None`.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `margin` or `scale` is out of its range.

    Example:
        >>> loss = AdditiveMarginSoftmax(margin=0.0, scale=1.0)
        >>> x = ops.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(loss(x, x)), 4)   # 2 log(1 + e^-1)
        0.6265

    Reference: LEALLA, equation 2.
    """

    def __init__(self, margin: float = 0.3, scale: float = 100.0) -> None:
        if not 0 <= margin < 1:
            raise ValueError(f"`margin` must be in [0, 1). Received: margin={margin}.")
        if not scale > 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale}.")
        self.margin = margin
        self.scale = scale

    def __call__(self, source: Any, target: Any, excluded: Any = None) -> Any:
        """The loss of a whole batch."""
        arguments = {"margin": self.margin, "scale": self.scale, "excluded": excluded}
        forward = additive_margin_softmax(source, target, **arguments)
        backward = additive_margin_softmax(target, source, **arguments)
        return ops.mean(forward + backward)
