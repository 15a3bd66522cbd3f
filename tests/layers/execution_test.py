import keras
import numpy as np
import pytest
from keras import ops

from lealla_tf.layers.execution import draw_mask


def test_a_number_decides_two_units() -> None:
    """At a rate of 1/2 it drops one unit in [0, 1/2), and the other in [1/4, 3/4)."""
    numbers = np.array([0.1, 0.3, 0.6, 0.8], "float32")
    asked = []

    def uniform(shape: tuple[int, ...], seed: int) -> np.ndarray:
        asked.append((shape, seed))
        return numbers

    mask = draw_mask((8,), 5, 0.5, uniform)
    np.testing.assert_array_equal(mask, [False, False, True, True, True, False, False, True])
    np.testing.assert_array_equal(draw_mask((7,), 6, 0.5, uniform), mask[:7])
    assert asked == [((4,), 5), ((4,), 6)]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_two_are_independent(rate: float) -> None:
    """The standard deviation of a mean of a million such units is at most 5e-4."""
    mask = draw_mask((2, 1000, 1000), keras.random.SeedGenerator(1), rate)
    one, other = ~ops.convert_to_numpy(mask)
    for drops in (one, other):
        assert drops.mean() == pytest.approx(rate, abs=3e-3)
    assert (one & other).mean() == pytest.approx(rate**2, abs=3e-3)


@pytest.mark.parametrize("shape", [(1, 3), (4, 3), (5, 3), (0, 3), (3,)])
def test_shapes(shape: tuple[int, ...]) -> None:
    mask = draw_mask(shape, keras.random.SeedGenerator(1), 0.5)
    assert (tuple(mask.shape), keras.backend.standardize_dtype(mask.dtype)) == (shape, "bool")
