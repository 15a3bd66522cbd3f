"""What a model may return: one unit vector a sentence."""

import numpy as np
import pytest

from lealla_tf.evaluation.embedding import EmbeddingError, embed_checked

SENTENCES = ["one", "two", "three"]


def check(vectors):
    return embed_checked(lambda sentences: vectors, SENTENCES)


def test_unit_vectors_pass_unchanged():
    vectors = np.eye(3, dtype=np.float32)
    assert check(vectors) is vectors


def test_rounding_of_half_precision_passes():
    """512 equal components of 1/sqrt(512), cut to the 8 significant bits of bfloat16."""
    component = np.array([512**-0.5], np.float32)
    component.view(np.uint32)[...] &= 0xFFFF0000
    vectors = np.tile(component, (3, 512))
    assert abs(np.linalg.norm(vectors[0]) - 1) > 1e-4
    assert check(vectors) is vectors


@pytest.mark.parametrize("shape", [(2, 4), (4, 4), (3,), (3, 1, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(EmbeddingError, match=r"one vector a sentence, of shape \(3, dim\). Received: shape \("):
        check(np.ones(shape, np.float32))


@pytest.mark.parametrize(("value", "length"), [(2, "2"), (0, "0"), (1.01, "1.01"), (np.nan, "nan"), (np.inf, "inf")])
def test_vectors_that_are_not_of_unit_length_are_refused(value, length):
    vectors = np.eye(3, dtype=np.float32)
    vectors[1, 1] = value
    message = f"finite vectors of unit length. Received: length {length} for 1 of 3 sentences, the first of them 'two'"
    with pytest.raises(EmbeddingError, match=message):
        check(vectors)
