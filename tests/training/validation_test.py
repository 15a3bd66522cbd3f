"""Precision at 1 by hand."""

import numpy as np
import pytest

from lealla_tf.corpus.segments import Segment
from lealla_tf.training.validation import validate

AXES = {"a": 0, "b": 1, "c": 2, "A": 0, "B": 1, "C": 1}


def embed(sentences):
    """One axis a meaning; `C` is taken for `B`."""
    return np.eye(3, dtype=np.float32)[[AXES[sentence] for sentence in sentences]]


def test_both_directions_of_each_language_pair_and_their_mean():
    held_out = {
        "en-fr": Segment.of_pairs([("a", "A"), ("b", "B")]),
        "en-de": Segment.of_pairs([("a", "A"), ("c", "C")]),
    }
    # German: `a` is found from both sides. No side of the other pair resembles anything, and so `c` finds the
    # first row, which is not its own, and `C` the same.
    metrics = validate(embed, held_out)
    assert metrics == {
        "validation/en-de/source_to_target/precision_at_1": 0.5,
        "validation/en-de/target_to_source/precision_at_1": 0.5,
        "validation/en-fr/source_to_target/precision_at_1": 1.0,
        "validation/en-fr/target_to_source/precision_at_1": 1.0,
        "validation/precision_at_1": 0.75,
    }


def test_directions_are_not_mixed_up():
    """`B` and `C` are the same vector: each finds `b`, and `b` finds one of them, `c` neither."""
    pairs = {"en-de": Segment.of_pairs([("a", "A"), ("b", "B"), ("c", "C"), ("b", "C")])}
    metrics = validate(embed, pairs)
    ways = {way: metrics[f"validation/en-de/{way}/precision_at_1"] for way in ("source_to_target", "target_to_source")}
    similarity = embed(["a", "b", "c", "b"]) @ embed(["A", "B", "C", "C"]).T
    assert ways["source_to_target"] == np.mean(similarity.argmax(axis=1) == np.arange(4))
    assert ways["target_to_source"] == np.mean(similarity.argmax(axis=0) == np.arange(4))


def test_nothing_is_held_out():
    assert validate(embed, {}) == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite(value):
    def broken(sentences):
        return np.where(embed(sentences) == 1, value, 0.0)

    with pytest.raises(FloatingPointError, match=r"^The embeddings of en-de are not finite\.$"):
        validate(broken, {"en-de": Segment.of_pairs([("a", "A")])})
