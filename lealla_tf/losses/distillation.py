"""Distillation from a frozen teacher: of its embeddings and of its similarities."""

from typing import Any

from keras import ops

from lealla_tf.losses.additive_margin import similarities


def feature_distillation(teacher: Any, projected: Any) -> Any:
    """mse(X_i, f(x_i)): the squared error of each row, averaged over components.

    Args:
        teacher: X, `(rows, teacher_dim)`, unit length.
        projected: f(x), `(rows, teacher_dim)`: the student's embedding after the dense layer.
            Or, by the pattern `distillation_first`, the student's features; or, by
            `synchronized`, the embedding x as it is, with the reduced teacher's for X.

    Returns:
        float32 `(rows,)`.

    Reference: LEALLA, equation 3 and appendix C.
    """
    difference = ops.cast(teacher, "float32") - ops.cast(projected, "float32")
    return ops.mean(ops.square(difference), axis=-1)


def logit_distillation(teacher_queries: Any, teacher_keys: Any, queries: Any, keys: Any, *, temperature: float) -> Any:
    """1/N sum_j ( T phi(X_i, Y_j) - T phi(x_i, y_j) )^2 for each row i.

    Args:
        teacher_queries: X, `(rows, teacher_dim)`, unit length.
        teacher_keys: Y, `(batch, teacher_dim)`, unit length.
        queries: x, `(rows, dim)`, unit length.
        keys: y, `(batch, dim)`, unit length.
        temperature: T. It *multiplies* the cosines, as the scale of the softmax does; divided
            by it, the term would vanish beside the others.

    Returns:
        float32 `(rows,)`.

    Reference: LEALLA, equation 4.
    """
    difference = similarities(teacher_queries, teacher_keys) - similarities(queries, keys)
    return temperature**2 * ops.mean(ops.square(difference), axis=-1)


class FeatureDistillation:
    """L_fd = 1/N sum_i [ mse(X_i, f(x_i)) + mse(Y_i, f(y_i)) ].

    Call arguments:
        teacher_source, teacher_target: X and Y, `(batch, teacher_dim)`, unit length.
        projected_source, projected_target: f(x) and f(y), `(batch, teacher_dim)`.

    Returns:
        A float32 scalar.

    Reference: LEALLA, equation 3.
    """

    def __call__(self, teacher_source: Any, teacher_target: Any, projected_source: Any, projected_target: Any) -> Any:
        """The loss of a whole batch."""
        source = feature_distillation(teacher_source, projected_source)
        return ops.mean(source + feature_distillation(teacher_target, projected_target))


class LogitDistillation:
    """L_ld = 1/N^2 sum_ij ( T phi(X_i, Y_j) - T phi(x_i, y_j) )^2.

    Args:
        temperature: T, positive; multiplies the cosines.

    Call arguments:
        teacher_source, teacher_target: X and Y, `(batch, teacher_dim)`, unit length.
        source, target: x and y, `(batch, dim)`, unit length.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `temperature` is not positive.

    Reference: LEALLA, equation 4.
    """

    def __init__(self, temperature: float = 100.0) -> None:
        if not temperature > 0:
            raise ValueError(f"`temperature` must be positive. Received: temperature={temperature}.")
        self.temperature = temperature

    def __call__(self, teacher_source: Any, teacher_target: Any, source: Any, target: Any) -> Any:
        """The loss of a whole batch."""
        rows = logit_distillation(teacher_source, teacher_target, source, target, temperature=self.temperature)
        return ops.mean(rows)
