"""What a benchmark asks of a model: a function from sentences to vectors of unit length."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

EmbedFunction = Callable[[Sequence[str]], npt.NDArray[Any]]

# bfloat16 rounds a component by at most 2^-9 of it, and so the length by no more.
_LENGTH_TOLERANCE = 2.0**-8


class EmbeddingError(ValueError):
    """The model under evaluation returned something that is not one unit vector a sentence."""


def embed_checked(embed: EmbedFunction, sentences: Sequence[str]) -> npt.NDArray[Any]:
    """Calls `embed` and checks what it returns.

    A model that has diverged, or whose vectors are not normalised, would otherwise get a
    low score instead of an error: inner products rank by length as well as by angle.

    Args:
        embed: function from `count` sentences to floats of shape `(count, dim)`.
        sentences: the sentences to embed.

    Returns:
        The vectors, of shape `(count, dim)` and unit length.

    Raises:
        EmbeddingError: if the shape is another, or a row is not finite or not of length 1.
    """
    vectors = np.asarray(embed(sentences))
    if vectors.ndim != 2 or len(vectors) != len(sentences):
        raise EmbeddingError(
            f"`embed` must return one vector a sentence, of shape ({len(sentences)}, dim). "
            f"Received: shape {vectors.shape}."
        )
    lengths = np.linalg.norm(vectors.astype(np.float32, copy=False), axis=1)
    wrong = ~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE)  # so written, it holds for NaN
    if wrong.any():
        row = int(np.argmax(wrong))
        raise EmbeddingError(
            f"`embed` must return finite vectors of unit length. Received: length {lengths[row]:g} "
            f"for {wrong.sum()} of {len(sentences)} sentences, the first of them {sentences[row]!r}."
        )
    return vectors
