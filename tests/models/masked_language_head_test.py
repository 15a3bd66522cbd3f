"""The head that guesses hidden tokens, and its loss, against the formulas in NumPy."""

import keras
import numpy as np
import pytest

from lealla_tf.losses.masked_language import masked_language_sums
from lealla_tf.models.masked_language_head import MaskedLanguageHead


def make_head(dtype="float32"):
    head = MaskedLanguageHead(11, "relu", layer_norm_epsilon=1e-6, dtype=dtype)
    head.build((None, None, 6))
    generator = np.random.default_rng(0)
    for variable in head.variables:
        variable.assign(generator.normal(size=tuple(variable.shape)))
    return head


def test_logits_follow_the_formula():
    head = make_head()
    kernel, inner_bias = (variable.numpy() for variable in head.transform.variables)
    gamma, beta = (variable.numpy() for variable in head.norm.variables)
    generator = np.random.default_rng(1)
    hidden = generator.normal(size=(2, 3, 6)).astype(np.float32)
    table = generator.normal(size=(11, 6)).astype(np.float32)
    inner = np.maximum(hidden @ kernel + inner_bias, 0)
    inner = (inner - inner.mean(-1, keepdims=True)) / np.sqrt(inner.var(-1, keepdims=True) + 1e-6) * gamma + beta
    np.testing.assert_allclose(head(hidden, table), inner @ table.T + head.bias.numpy(), rtol=1e-4, atol=1e-5)


def test_logits_are_float32_under_mixed_precision():
    logits = make_head("mixed_bfloat16")(np.ones((1, 2, 6), np.float32), np.ones((11, 6), np.float32))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


def test_sums_by_hand():
    """Two pieces, of which the label has the logit log 3 and the other 0: a loss of log(4 / 3), and a right guess."""
    logits = np.zeros((1, 3, 2), np.float32)
    logits[0, :, 1] = np.log(3)
    sums = masked_language_sums(logits, np.int32([[1, 0, 1]]), np.float32([[1, 1, 0]]))
    assert float(sums.loss) == pytest.approx(np.log(4 / 3) + np.log(4))
    assert [float(sums.correct), float(sums.count)] == [1, 2]


def test_configuration_makes_the_same_head():
    head = make_head()
    again = MaskedLanguageHead.from_config(head.get_config())
    assert again.settings == head.settings
