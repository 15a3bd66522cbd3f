"""The three patterns of feature distillation and dimension reduction, against NumPy, and in chunks."""

import re

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import LossConfig
from lealla_tf.losses.combined import Pairs
from lealla_tf.models.encoder import Encoder, unit_length
from lealla_tf.training.distillation_model import DistillationModel

ROWS, LENGTH, PAD, WIDTH, TEACHER_DIM, DIM = 6, 5, 0, 8, 10, 4
ALPHA, BETA, MARGIN, SCALE = 0.5, 7.0, 0.2, 6.0
SIDES = ("source", "target")
KERNEL, BIAS = np.random.default_rng(7).normal(size=(TEACHER_DIM, DIM)), np.linspace(-0.3, 0.3, DIM)
PATTERNS = {
    "after_embedding": {},
    "distillation_first": {"pooled_dim": TEACHER_DIM, "embedding_dim": DIM},
    "synchronized": {"embedding_dim": DIM},
}


def make_batch():
    generator = np.random.default_rng(0)
    batch = {}
    for side in SIDES:
        batch[f"{side}_token_ids"] = tf.constant(generator.integers(1, 30, (ROWS, LENGTH)), tf.int32)
        batch[f"{side}_fingerprint"] = tf.range(ROWS, dtype=tf.int64)
        teacher = generator.normal(size=(ROWS, TEACHER_DIM))
        batch[f"{side}_teacher"] = tf.constant(unit(teacher), tf.float32)
    return batch


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make_model(pattern="after_embedding", additive_margin=ALPHA, feature=BETA, shape=None, **kwargs):
    shape = PATTERNS[pattern] if shape is None else shape
    encoder = Encoder(30, WIDTH, 1, 2, 16, max_positions=LENGTH, dropout=0.0, **shape)
    settings = {"additive_margin": additive_margin, "feature": feature, "logit": 0.0, "feature_pattern": pattern}
    loss = LossConfig(margin=MARGIN, scale=SCALE, **settings)
    if pattern == "synchronized":
        kwargs["reduce_teacher"] = lambda teacher: unit_length(
            tf.matmul(teacher, tf.constant(KERNEL, tf.float32)) + BIAS
        )
    kwargs.setdefault("teacher_dim", TEACHER_DIM)
    model = DistillationModel(encoder, loss, PAD, **kwargs)
    generator = np.random.default_rng(1)
    for variable in [*encoder.trainable_variables, *(model.projection.variables if model.projection else [])]:
        variable.assign(generator.normal(scale=0.4, size=tuple(variable.shape)))
    return model


def additive_margin(source, target):
    """Equation 2, written as a loop over the pairs."""
    total = 0.0
    for queries, keys in ((source, target), (target, source)):
        for row, query in enumerate(queries):
            logits = SCALE * (keys @ query)
            logits[row] -= SCALE * MARGIN
            total += np.log(np.exp(logits).sum()) - logits[row]
    return total / len(source)


def squared_errors(teacher, guess):
    """Equation 3: the mean over components, summed over the sides, averaged over the pairs."""
    return sum(((X - x) ** 2).mean(axis=-1).mean() for X, x in zip(teacher, guess, strict=True))


def expected_losses(model, pattern, batch):
    """From what the encoder alone gives for the sentences."""
    features = []
    for side in SIDES:
        ids = batch[f"{side}_token_ids"]
        features.append(model.encoder.features({"token_ids": ids, "padding_mask": tf.ones_like(ids)}).numpy())
    teacher = [batch[f"{side}_teacher"].numpy() for side in SIDES]
    student = features
    if model.encoder.reduction is not None:
        kernel, bias = (variable.numpy() for variable in model.encoder.reduction.variables)
        student = [unit(rows @ kernel + bias) for rows in features]
    guess = features
    if pattern == "after_embedding":
        kernel, bias = (variable.numpy() for variable in model.projection.variables)
        guess = [rows @ kernel + bias for rows in student]
    elif pattern == "synchronized":
        guess, teacher = student, [unit(rows @ KERNEL + BIAS) for rows in teacher]
    return {"additive_margin": additive_margin(*student), "feature": squared_errors(teacher, guess)}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_losses_against_numpy(pattern):
    model, batch = make_model(pattern), make_batch()
    model.test_step(batch)
    expected = expected_losses(model, pattern, batch)
    found = {metric.name: float(metric.result()) for metric in model.metrics}
    total = ALPHA * expected["additive_margin"] + BETA * expected["feature"]
    assert found == pytest.approx({"loss": total, **expected}, rel=1e-4)
    # The dense layer of the first pattern belongs to the training; those of the others to the encoder, or to nobody.
    assert (model.projection is not None) == (pattern == "after_embedding")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_gradients_in_chunks_are_those_of_the_whole_and_reach_every_weight(pattern):
    batch = make_batch()
    whole, chunked = make_model(pattern), make_model(pattern, chunk=2)
    names = [variable.path for variable in whole.trainable_variables]
    assert names == [variable.path for variable in chunked.trainable_variables]
    pairs = zip(whole.compute_gradients(batch), chunked.compute_gradients(batch), strict=True)
    for name, (one, other) in zip(names, pairs, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(other), atol=1e-5, err_msg=name)
        # A key's bias moves all scores of a query alike, so that softmax does not notice.
        assert np.abs(tf.convert_to_tensor(one)).max() > 1e-6 or "key/bias" in name, name


def test_the_feature_loss_of_a_copy_of_the_reduced_teacher_is_0():
    """Synchronized: a student whose features are the teacher's, and whose last layer is the frozen map."""
    model = make_model("synchronized", shape={"pooled_dim": TEACHER_DIM, "embedding_dim": DIM})
    model.encoder.reduction.kernel.assign(KERNEL)
    model.encoder.reduction.bias.assign(BIAS)
    batch = make_batch()
    features = Pairs(*(batch[f"{side}_teacher"] for side in SIDES))
    model.compute_loss(batch, y_pred=features)
    found = {metric.name: float(metric.result()) for metric in model.metrics}
    assert found["feature"] == pytest.approx(0.0, abs=1e-12)
    assert found["additive_margin"] > 0.1


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("chunk", [0, 3])
def test_dimension_reduction_against_numpy_trains_the_last_layer_alone(stored, chunk):
    """By the teacher's embeddings where the batch has them, and else by those that the frozen encoder gives."""
    shape = {"embedding_dim": DIM}
    teacher_dim = WIDTH if stored else None
    settings = {"teacher_dim": teacher_dim, "chunk": chunk, "reduction_only": True}
    model = make_model(additive_margin=1.0, feature=0.0, shape=shape, **settings)
    batch = make_batch()
    features = Pairs(*(rows.numpy() for rows in make_model(feature=0.0, shape=shape)(batch)))
    if stored:
        generator = np.random.default_rng(3)
        features = Pairs(*(unit(generator.normal(size=(ROWS, WIDTH))) for _ in SIDES))
        batch |= {f"{side}_teacher": tf.constant(rows, tf.float32) for side, rows in zip(SIDES, features, strict=True)}
    layer = model.encoder.reduction

    def loss(kernel, bias):
        return additive_margin(*(unit(rows.astype(np.float64) @ kernel + bias) for rows in features))

    weights = [variable.numpy().astype(np.float64) for variable in layer.variables]
    model.test_step(batch)
    assert float(model.metrics[0].result()) == pytest.approx(loss(*weights), rel=1e-4)
    assert [id(variable) for variable in model.trainable_variables] == [id(variable) for variable in layer.variables]
    gradients = [gradient.numpy() for gradient in model.compute_gradients(batch)]
    for number, place in ((0, (2, 1)), (0, (7, 3)), (1, (2,))):
        moved = [[weight.copy() for weight in weights] for _ in range(2)]
        moved[0][number][place] += 1e-5
        moved[1][number][place] -= 1e-5
        slope = (loss(*moved[0]) - loss(*moved[1])) / 2e-5
        assert gradients[number][place] == pytest.approx(slope, rel=1e-2, abs=1e-4)


def test_widths_that_do_not_fit():
    with pytest.raises(ValueError, match=re.escape("set encoder.pooled_dim=10. Received: a pooled vector of 8 dim")):
        make_model("distillation_first", shape={"embedding_dim": DIM})
    with pytest.raises(ValueError, match=re.escape("set teacher.reduction. Received: none.")):
        loss = LossConfig(feature_pattern="synchronized")
        DistillationModel(Encoder(30, WIDTH, 1, 2, 16, max_positions=LENGTH), loss, PAD, TEACHER_DIM)
