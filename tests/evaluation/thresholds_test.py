"""The threshold of the best F1, against trying every one."""

import numpy as np
import pytest

from lealla_tf.evaluation.thresholds import apply_threshold, best_threshold


def f1(scores, is_correct, gold, threshold):
    taken = [right for score, right in zip(scores, is_correct, strict=True) if score >= threshold]
    if not sum(taken):
        return 0.0
    precision, recall = sum(taken) / len(taken), sum(taken) / gold
    return 2 * precision * recall / (precision + recall)


def test_by_hand():
    """In order: right, wrong, right, wrong, of three gold pairs: F1 2/4, 2/5, 4/6, 4/7; the cut is after 1.1."""
    scores, is_correct = np.array([1.1, 1.3, 1.0, 1.2]), np.array([True, True, False, False])
    best = best_threshold(scores, is_correct, gold=3)
    assert (best.threshold, best.extracted, best.correct) == (pytest.approx(1.05), 3, 2)
    assert (best.precision, best.recall, best.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


@pytest.mark.parametrize("values", [2, 5, 10**9])
@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better(seed, values):
    """With few values most scores are shared by right and wrong pairs."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    scores = rng.integers(0, values, count) / values
    is_correct = rng.random(count) < scores
    gold = int(is_correct.sum()) + int(rng.integers(1, 5))
    best = best_threshold(scores, is_correct, gold)
    tried = [f1(scores, is_correct, gold, threshold) for threshold in np.unique(scores)]
    assert best.f1 == pytest.approx(max(tried))
    assert apply_threshold(scores, is_correct, gold, best.threshold) == best
    order = rng.permutation(count)
    assert best_threshold(scores[order], is_correct[order], gold) == best


def test_of_equal_ones_the_fewest_pairs_are_taken():
    """The best F1 of one gold pair among three is that of the first alone, 1."""
    best = best_threshold(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]), gold=1)
    assert (best.threshold, best.f1) == (2.5, 1.0)
    best = best_threshold(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True]), gold=3)
    # 2/4 after the first, 4/7 after the last: the last; with 2 gold 2/3 after both, so the first.
    assert best.threshold == 1.0
    best = best_threshold(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True]), gold=2)
    assert best.threshold == 3.5


def test_nothing_is_taken_and_nothing_is_right():
    scores, is_correct = np.array([1.0, 2.0]), np.array([False, False])
    assert best_threshold(scores, is_correct, gold=5).f1 == 0
    nothing = apply_threshold(scores, is_correct, 5, 3.0)
    assert (nothing.extracted, nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0, 0)
