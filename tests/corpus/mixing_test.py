import hashlib
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from lealla_tf.corpus.mixing import Mixture, mixing_probabilities
from lealla_tf.corpus.segments import InMemory, Segment

SIZES = {"en-de": 50, "en-fi": 7, "en-sw": 1}


def in_memory(name, size):
    """The pairs (name/i, i)."""
    return InMemory(Segment.of_pairs([(f"{name}/{i}", str(i)) for i in range(size)]))


class Segmented:
    """The pairs (name/i, i) in segments of the given sizes, counting how often one is loaded."""

    def __init__(self, name, sizes):
        self.sizes = sizes
        self.loads = Counter()
        self._segments = []
        for size in sizes:
            start = sum(map(len, self._segments))
            self._segments.append(Segment.of_pairs([(f"{name}/{i}", str(i)) for i in range(start, start + size)]))

    def load(self, number):
        self.loads[number] += 1
        return self._segments[number]


def mixture(sizes=SIZES, temperature=1.0, seed=0, window=10):
    return Mixture({name: in_memory(name, size) for name, size in sizes.items()}, temperature, seed, window)


def texts(segment):
    return [source.decode() for source in segment.source]


def stream(mixture, name, windows):
    """One language's pairs of the first windows."""
    return [t for w in range(windows) for t in texts(mixture.window(w)) if t.startswith(f"{name}/")]


def test_probabilities_by_hand():
    # Shares 0.64 and 0.36; their square roots 0.8 and 0.6 sum to 1.4.
    np.testing.assert_allclose(mixing_probabilities([64, 36], 0.5), [0.8 / 1.4, 0.6 / 1.4])
    np.testing.assert_allclose(mixing_probabilities([64, 36], 1.0), [0.64, 0.36])
    np.testing.assert_allclose(mixing_probabilities([64, 36, 1], 0.0), [1 / 3] * 3)


def test_windows_do_not_depend_on_who_asks_and_when():
    asked = mixture()
    expected = [texts(asked.window(number)) for number in range(20)]
    assert [texts(asked.window(number)) for number in range(20)] == expected
    for number in (19, 3, 7, 0):
        assert texts(mixture().window(number)) == expected[number]
    backwards = mixture()
    assert [texts(backwards.window(number)) for number in reversed(range(20))] == expected[::-1]
    # Nor on the order in which the languages are named.
    assert texts(mixture(dict(reversed(SIZES.items()))).window(5)) == expected[5]


def test_windows_are_the_same_in_another_process():
    program = (
        "import hashlib\n"
        "from lealla_tf.corpus.mixing import Mixture\n"
        "from lealla_tf.corpus.segments import InMemory, Segment\n"
        f"sizes = {SIZES}\n"
        "def source(name):\n"
        "    return InMemory(Segment.of_pairs([(f'{name}/{i}', str(i)) for i in range(sizes[name])]))\n"
        "sources = {name: source(name) for name in sizes}\n"
        "print(hashlib.sha256(b' '.join(Mixture(sources, 0.7, 3, 16).window(12).source)).hexdigest())\n"
    )
    here = hashlib.sha256(b" ".join(mixture(temperature=0.7, seed=3, window=16).window(12).source)).hexdigest()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        assert run.stdout.strip() == here


@pytest.mark.parametrize("sizes", [(50,), (20, 20, 10), (1,) * 50, (49, 1)], ids=str)
def test_every_pair_comes_once_in_a_pass(sizes):
    aligned = Mixture({"en-de": Segmented("en-de", sizes)}, 1.0, 0, 25)
    passes = [sorted(texts(aligned.window(2 * n)) + texts(aligned.window(2 * n + 1))) for n in range(3)]
    assert passes == [sorted(f"en-de/{i}" for i in range(50))] * 3
    orders = [texts(aligned.window(2 * n)) for n in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_every_language_keeps_its_own_pass_in_a_mixture():
    mixed = mixture({"en-de": 50, "en-fi": 7}, temperature=0.5, window=11)
    for name, size in (("en-de", 50), ("en-fi", 7)):
        counts = Counter(stream(mixed, name, 300))
        assert len(counts) == size
        # In whole windows a pair is at most one pass ahead of another.
        assert max(counts.values()) - min(counts.values()) <= 1


def test_sides_stay_together():
    for number in range(5):
        window = mixture().window(number)
        assert [t.rpartition("/")[2] for t in texts(window)] == [target.decode() for target in window.target]


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("window", [1, 10, 64])
def test_counts_are_the_expectation_rounded_and_sum_to_the_window(temperature, window):
    mixed = mixture(temperature=temperature, window=window)
    weights = np.array([50, 7, 1]) ** temperature
    expected = window * weights / weights.sum()
    totals = np.zeros(3)
    for number in range(400):
        segment = mixed.window(number)
        assert len(segment) == window
        counts = Counter(t.split("/")[0] for t in texts(segment))
        counts = np.array([counts[name] for name in sorted(SIZES)])
        assert np.all(np.floor(expected) <= counts) and np.all(counts <= np.ceil(expected))
        totals += counts
    # The fraction of windows that round up is a mean of 400 Bernoulli draws: six deviations are 0.15 at most.
    np.testing.assert_allclose(totals / 400, expected, atol=0.15)


def test_one_language_fills_every_window():
    assert Counter(texts(mixture({"en-de": 1}, window=5).window(3))) == {"en-de/0": 5}
    assert len(set(texts(mixture({"en-de": 100}, temperature=0.0, window=50).window(0)))) == 50


def test_a_window_may_be_many_passes():
    counts = Counter(texts(mixture({"en-de": 3, "en-fi": 2}, temperature=0.0, window=60).window(0)))
    assert counts == {"en-de/0": 10, "en-de/1": 10, "en-de/2": 10, "en-fi/0": 15, "en-fi/1": 15}


def test_the_seed_changes_order_and_draws():
    windows = [[texts(mixture(seed=seed).window(n)) for n in range(6)] for seed in (0, 1)]
    assert windows[0][0] != windows[1][0]
    draws = [[Counter(t.split("/")[0] for t in window) for window in of_seed] for of_seed in windows]
    assert draws[0] != draws[1]


def test_a_segment_is_loaded_once_in_a_pass():
    source = Segmented("en-de", (20, 20, 20))
    mixed = Mixture({"en-de": source}, 1.0, 0, 5)
    for number in range(12):  # a pass
        mixed.window(number)
    assert source.loads == {0: 1, 1: 1, 2: 1}


def test_languages_need_pairs():
    with pytest.raises(ValueError, match=r"^Every language pair needs at least one pair. Received: no language pair.$"):
        Mixture({}, 1.0, 0, 4)
    with pytest.raises(ValueError, match=r"needs at least one pair. Received: \['en-fi'\].$"):
        mixture({"en-de": 3, "en-fi": 0})
