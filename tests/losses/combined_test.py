import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import LossConfig
from lealla_tf.losses import combined
from lealla_tf.losses.additive_margin import AdditiveMarginSoftmax, duplicates
from lealla_tf.losses.combined import CombinedLoss, Pairs
from lealla_tf.losses.distillation import FeatureDistillation, LogitDistillation

BATCH, DIM, TEACHER_DIM = 6, 4, 8
CONFIG = LossConfig(additive_margin=2.0, feature=3.0, logit=0.5, margin=0.2, scale=10.0, temperature=5.0)

# Rows 0 and 3 share their source, rows 1 and 2 their target.
FINGERPRINTS = Pairs(np.array([1, 2, 3, 1, 5, 6]), np.array([1, 2, 2, 4, 5, 6]))


def unit_vectors(seed: int, dim: int) -> np.ndarray[Any, Any]:
    vectors = np.random.default_rng(seed).normal(size=(BATCH, dim))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype("float32")


STUDENT = Pairs(unit_vectors(0, DIM), unit_vectors(1, DIM))
PROJECTED = Pairs(unit_vectors(2, TEACHER_DIM), unit_vectors(3, TEACHER_DIM))
TEACHER = Pairs(unit_vectors(4, TEACHER_DIM), unit_vectors(5, TEACHER_DIM))


def rows_of(pairs: Pairs, rows: slice) -> Pairs:
    return Pairs(pairs.source[rows], pairs.target[rows])


def call(config: LossConfig, rows: slice = slice(0, BATCH), student: Pairs = STUDENT) -> dict[str, Any]:
    return CombinedLoss(config)(
        rows_of(student, rows),
        student,
        fingerprints=FINGERPRINTS,
        projected=rows_of(PROJECTED, rows),
        teacher=rows_of(TEACHER, rows),
        all_teachers=TEACHER,
        first_row=rows.start,
    )


@pytest.mark.parametrize("mask_duplicates", [True, False])
def test_the_weighted_sum_of_the_three(mask_duplicates: bool) -> None:
    """Equation 5 of LEALLA, made of the three classes, which have tests of their own."""
    config = LossConfig(**{**CONFIG.__dict__, "mask_duplicates": mask_duplicates})
    terms = {name: float(term) for name, term in call(config).items()}
    excluded = duplicates(*FINGERPRINTS) if mask_duplicates else None
    expected = {
        "additive_margin": float(AdditiveMarginSoftmax(0.2, 10.0)(*STUDENT, excluded)),
        "feature": float(FeatureDistillation()(*TEACHER, *PROJECTED)),
        "logit": float(LogitDistillation(5.0)(*TEACHER, *STUDENT)),
    }
    assert terms == pytest.approx(
        {"loss": 2 * expected["additive_margin"] + 3 * expected["feature"] + 0.5 * expected["logit"], **expected},
        rel=1e-5,
    )


def test_masking_duplicates_lowers_the_loss() -> None:
    """It leaves negatives out. Were it not applied, the two cases above would be one and the same."""
    masked, plain = (
        float(call(LossConfig(feature=0.0, logit=0.0, scale=1.0, mask_duplicates=masked))["loss"])
        for masked in (True, False)
    )
    assert masked < plain - 0.1


@pytest.mark.parametrize("blocks", [(3, 3), (2, 2, 2), (1, 5)])
def test_the_parts_of_replicas_sum_to_the_loss_and_its_gradient(blocks: tuple[int, ...]) -> None:
    def loss_and_gradient(parts: list[slice]) -> tuple[dict[str, float], Any]:
        student = tf.constant(np.stack(STUDENT))
        with tf.GradientTape() as tape:
            tape.watch(student)
            terms = [call(CONFIG, rows, Pairs(student[0], student[1])) for rows in parts]
            total = tf.add_n([part["loss"] for part in terms])
        return {name: sum(float(part[name]) for part in terms) for name in terms[0]}, tape.gradient(total, student)

    ends = np.cumsum(blocks)
    whole, gradient = loss_and_gradient([slice(0, BATCH)])
    parts, summed = loss_and_gradient([slice(end - rows, end) for rows, end in zip(blocks, ends, strict=True)])
    assert parts == pytest.approx(whole, rel=1e-5)
    np.testing.assert_allclose(summed, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "computed"),
    [
        ({"additive_margin": 1.0}, {"additive_margin"}),
        ({"feature": 1.0}, {"feature"}),
        ({"logit": 1.0}, {"logit"}),
        ({"additive_margin": 1.0, "logit": 1.0}, {"additive_margin", "logit"}),
    ],
)
def test_a_term_of_weight_0_is_not_computed(
    weights: dict[str, float], computed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("additive_margin", "feature", "logit"):
        if name not in computed:
            function = {"additive_margin": "additive_margin_softmax"}.get(name, f"{name}_distillation")
            monkeypatch.setattr(combined, function, lambda *_, **__: pytest.fail("computed all the same"))
    config = LossConfig(**{"additive_margin": 0.0, "feature": 0.0, "logit": 0.0, **weights})
    terms = call(config)
    assert set(terms) == {"loss", *computed}
    assert float(terms["loss"]) == pytest.approx(sum(float(terms[name]) for name in computed), rel=1e-6)


def test_nothing_is_asked_for_that_no_term_needs() -> None:
    config = LossConfig(feature=0.0, logit=0.0, mask_duplicates=False)
    assert set(CombinedLoss(config)(STUDENT, STUDENT)) == {"loss", "additive_margin"}


@pytest.mark.parametrize(
    ("weights", "given", "message"),
    [
        (
            {"additive_margin": 1.0},
            {},
            "The loss additive_margin with `mask_duplicates` needs `fingerprints`. Received: None.",
        ),
        ({"feature": 1.0}, {}, "The loss feature needs `teacher`, `projected`. Received: None."),
        ({"feature": 1.0}, {"teacher": TEACHER}, "The loss feature needs `projected`. Received: None."),
        ({"feature": 1.0}, {"projected": PROJECTED}, "The loss feature needs `teacher`. Received: None."),
        ({"logit": 1.0}, {}, "The loss logit needs `teacher`, `all_teachers`. Received: None."),
        ({"logit": 1.0}, {"teacher": TEACHER}, "The loss logit needs `all_teachers`. Received: None."),
    ],
)
def test_missing_arguments(weights: dict[str, float], given: dict[str, Any], message: str) -> None:
    loss = CombinedLoss(LossConfig(**{"additive_margin": 0.0, "feature": 0.0, "logit": 0.0, **weights}))
    with pytest.raises(ValueError, match=re.escape(message)):
        loss(STUDENT, STUDENT, **given)
