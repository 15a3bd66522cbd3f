"""Retrieval among held-out pairs, while a model trains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lealla_tf.corpus.segments import Segment
from lealla_tf.retrieval.neighbours import precision_at_1

Embed = Callable[[Sequence[str]], np.ndarray[Any, Any]]
"""From sentences to unit-length embeddings, float32 `(count, dim)`."""


def validate(embed: Embed, held_out: Mapping[str, Segment]) -> dict[str, float]:
    """Precision at 1 of finding each sentence's translation among its language's held-out pairs.

    Args:
        embed: The model.
        held_out: Pairs by language pair.

    Returns:
        `validation/<pair>/source_to_target/precision_at_1` and the opposite direction for
        each language pair, and their mean as `validation/precision_at_1`; nothing if nothing
        is held out.

    Raises:
        FloatingPointError: if an embedding is not finite.
    """
    metrics: dict[str, float] = {}
    for language_pair, segment in sorted(held_out.items()):
        source, target = (embed(texts) for texts in segment.texts())
        if not (np.isfinite(source).all() and np.isfinite(target).all()):
            raise FloatingPointError(f"The embeddings of {language_pair} are not finite.")
        forward, backward = precision_at_1(source, target)
        metrics[f"validation/{language_pair}/source_to_target/precision_at_1"] = forward
        metrics[f"validation/{language_pair}/target_to_source/precision_at_1"] = backward
    if metrics:
        metrics["validation/precision_at_1"] = float(np.mean(list(metrics.values())))
    return metrics
