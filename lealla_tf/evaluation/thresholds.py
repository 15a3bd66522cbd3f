"""What is found and what is right among scored pairs of which those above a threshold are taken."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ThresholdScore:
    """How well the pairs that score at least `threshold` agree with the gold ones.

    precision = correct / extracted, recall = correct / gold, f1 = 2 correct / (extracted + gold)

    Args:
        threshold: The least score of a pair that is taken.
        extracted: How many pairs are taken.
        correct: How many of those are gold.
        gold: How many gold pairs there are, among the candidates or not.
    """

    threshold: float
    extracted: int
    correct: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the extracted pairs that are gold; 0 if there are none."""
        return self.correct / self.extracted if self.extracted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold pairs that are extracted."""
        return self.correct / self.gold

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.correct / (self.extracted + self.gold)


def apply_threshold(scores: Scores, is_correct: Mask, gold: int, threshold: float) -> ThresholdScore:
    """Takes the pairs of at least `threshold`.

    Args:
        scores: Of the candidates, `(candidates,)`.
        is_correct: Which of them are gold, `(candidates,)`.
        gold: The number of gold pairs, at least 1.
        threshold: Where to cut.
    """
    taken = scores >= threshold
    return ThresholdScore(
        threshold=threshold, extracted=int(taken.sum()), correct=int((taken & is_correct).sum()), gold=gold
    )


def best_threshold(scores: Scores, is_correct: Mask, gold: int) -> ThresholdScore:
    """The threshold of the largest F1 on these very pairs; of several the one that takes the fewest.

    It lies halfway between the lowest score that is taken and the next lower one, or is the
    lowest score if nothing is lower.  Candidates of equal score are taken together or not at
    all, since no threshold could tell them apart.

    Args:
        scores: Of the candidates, `(candidates,)`, at least one.
        is_correct: Which of them are gold, `(candidates,)`.
        gold: The number of gold pairs, at least 1.

    Example:
        >>> import numpy as np
        >>> best = best_threshold(np.array([1.1, 1.4, 1.2, 0.8]), np.array([True, True, False, False]), gold=2)
        >>> round(best.threshold, 3), best.f1
        (0.95, 0.8)
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    correct = np.cumsum(is_correct[order])
    f1 = 2 * correct / (np.arange(1, len(order) + 1) + gold)
    is_last_of_equals = np.append(ordered[1:] != ordered[:-1], True)
    last = int(np.argmax(np.where(is_last_of_equals, f1, -1.0)))
    following = ordered[min(last + 1, len(ordered) - 1)]
    return ThresholdScore(
        threshold=float(ordered[last] + following) / 2, extracted=last + 1, correct=int(correct[last]), gold=gold
    )
