import math
import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.losses.distillation import (
    FeatureDistillation,
    LogitDistillation,
    feature_distillation,
    logit_distillation,
)

Array = np.ndarray[Any, Any]


def unit_vectors(seed: int, count: int, dim: int) -> Array:
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_feature_by_hand() -> None:
    """((1 - 0.5)^2 + (0 - 0.5)^2) / 2 = 0.25 on the source side and (0 + 0.36) / 2 = 0.18 on the target side."""
    teacher = np.array([[1.0, 0.0]])
    projected_source, projected_target = np.array([[0.5, 0.5]]), np.array([[1.0, 0.6]])
    assert float(feature_distillation(teacher, projected_source)[0]) == pytest.approx(0.25)
    loss = FeatureDistillation()(teacher, teacher, projected_source, projected_target)
    assert float(loss) == pytest.approx(0.25 + 0.18)


def test_logit_by_hand() -> None:
    """The teacher tells two pairs apart, the student does not: two of the four cosines are off by 1; T = 3.

    (1/4) (3^2 + 3^2) = 4.5.
    """
    teacher, student = np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]])
    assert float(LogitDistillation(temperature=3.0)(teacher, teacher, student, student)) == pytest.approx(4.5)


@pytest.mark.parametrize(("count", "teacher_dim", "dim"), [(3, 8, 4), (5, 6, 6)])
def test_against_numpy(count: int, teacher_dim: int, dim: int) -> None:
    """Equations 3 and 4 of LEALLA as sums over i and j."""
    teacher_source, teacher_target, guess_source, guess_target = (
        unit_vectors(seed, count, teacher_dim) for seed in range(4)
    )
    source, target = (unit_vectors(seed, count, dim) for seed in (4, 5))
    feature = sum(
        sum((teacher[i, k] - guess[i, k]) ** 2 for k in range(teacher_dim)) / teacher_dim
        for i in range(count)
        for teacher, guess in ((teacher_source, guess_source), (teacher_target, guess_target))
    )
    outputs = FeatureDistillation()(teacher_source, teacher_target, guess_source, guess_target)
    assert float(outputs) == pytest.approx(feature / count, rel=1e-5)
    logit = sum(
        (10.0 * teacher_source[i] @ teacher_target[j] - 10.0 * source[i] @ target[j]) ** 2
        for i in range(count)
        for j in range(count)
    )
    outputs = LogitDistillation(temperature=10.0)(teacher_source, teacher_target, source, target)
    assert float(outputs) == pytest.approx(logit / count**2, rel=1e-5)


def test_a_perfect_student_loses_nothing() -> None:
    teacher = unit_vectors(0, 4, 6)
    assert float(FeatureDistillation()(teacher, teacher, teacher, teacher)) == 0
    assert float(LogitDistillation()(teacher, teacher, teacher, teacher)) == 0


def test_only_the_cosines_matter_to_the_logit_loss() -> None:
    """A student that is the teacher turned by a rotation agrees with it in all cosines."""
    source, target = unit_vectors(0, 4, 6), unit_vectors(1, 4, 6)
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    assert float(LogitDistillation()(source, target, source @ rotation, target @ rotation)) == pytest.approx(
        0, abs=1e-8
    )


def test_blocks_of_rows_make_the_whole() -> None:
    teachers, students = unit_vectors(0, 6, 8), unit_vectors(1, 6, 4)
    whole = logit_distillation(teachers, teachers, students, students, temperature=10.0)
    parts = [
        logit_distillation(teachers[rows], teachers, students[rows], students, temperature=10.0)
        for rows in (slice(0, 2), slice(2, 6))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)


def test_the_gradient_of_the_logit_loss() -> None:
    """dL/dx_i = (2 T^2 / N^2) sum_j (phi(x_i, y_j) - phi(X_i, Y_j)) y_j."""
    teacher_source, teacher_target = unit_vectors(0, 4, 8), unit_vectors(1, 4, 8)
    source, target = unit_vectors(2, 4, 3), unit_vectors(3, 4, 3)
    inputs = tf.constant(source, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = LogitDistillation(temperature=10.0)(teacher_source, teacher_target, inputs, target)
    expected = 2 * 10.0**2 / 16 * (source @ target.T - teacher_source @ teacher_target.T) @ target
    np.testing.assert_allclose(tape.gradient(loss, inputs), expected, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_the_feature_loss() -> None:
    """dL/df = 2 (f - X) / (N D)."""
    teacher, projected = unit_vectors(0, 4, 8), unit_vectors(1, 4, 8)
    inputs = tf.constant(projected, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = FeatureDistillation()(teacher, teacher, inputs, teacher)
    np.testing.assert_allclose(tape.gradient(loss, inputs), 2 * (projected - teacher) / 32, rtol=1e-4, atol=1e-6)


def test_half_precision_targets() -> None:
    """Prepared targets are float16; squares of T = 100 times a cosine would lose their digits there."""
    teacher = unit_vectors(0, 4, 8).astype("float16")
    student = unit_vectors(1, 4, 3).astype("float16")
    loss = LogitDistillation()(teacher, teacher, student, student)
    exact = teacher.astype("float64") @ teacher.T.astype("float64") - student.astype("float64") @ student.T.astype(
        "float64"
    )
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(1e4 * (exact**2).mean(), rel=1e-5)
    assert feature_distillation(teacher, teacher).dtype == tf.float32


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_refused_temperatures(temperature: float) -> None:
    message = f"`temperature` must be positive. Received: temperature={temperature}."
    with pytest.raises(ValueError, match=re.escape(message)):
        LogitDistillation(temperature)
