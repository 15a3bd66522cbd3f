"""The masks of training: of the right rate, and drawn by XLA whatever the shapes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.config import TrainingConfig
from lealla_tf.layers.dropout import ReplicaSeedGenerator
from lealla_tf.layers.execution import draw_mask
from lealla_tf.training.execution import draw_mask_by_threefry, execution_of


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_masks_have_the_rate_and_their_halves_are_independent(rate):
    """The standard deviation of a mean of a million such units is at most 5e-4."""
    one, other = ~draw_mask_by_threefry((2, 1000, 1000), ReplicaSeedGenerator(1), rate).numpy()
    for drops in (one, other):
        assert drops.mean() == pytest.approx(rate, abs=3e-3)
    assert (one & other).mean() == pytest.approx(rate**2, abs=3e-3)


def test_masks_follow_from_the_seed_and_the_replica():
    def draw(*arguments):
        return draw_mask_by_threefry((64, 64), ReplicaSeedGenerator(*arguments), 0.5).numpy()

    first = draw(1)
    np.testing.assert_array_equal(first, draw(1, lambda: 0))
    for other in (draw(2), draw(1, lambda: 1)):
        assert (first != other).mean() == pytest.approx(0.5, abs=0.05)


def test_each_draw_is_another_mask():
    seed = ReplicaSeedGenerator(1)
    first, second = (draw_mask_by_threefry((64, 64), seed, 0.5).numpy() for _ in range(2))
    assert (first != second).mean() == pytest.approx(0.5, abs=0.05)


def test_what_is_known_of_the_shape_is_known_of_the_mask():
    """And the masks are those that are drawn outside of graphs."""
    seed = ReplicaSeedGenerator(1)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 4))])
    def draw(inputs):
        mask = draw_mask_by_threefry(keras.ops.shape(inputs), seed, 0.5)
        assert mask.shape.as_list() == [None, None, 4]
        return mask

    found = [draw(tf.zeros(shape)).numpy() for shape in ((6, 5, 4), (3, 2, 4))]
    again = ReplicaSeedGenerator(1)
    for mask in found:
        np.testing.assert_array_equal(mask, draw_mask_by_threefry(mask.shape, again, 0.5))


def test_without_graphs_there_are_masks_too():
    tf.config.run_functions_eagerly(True)
    try:
        mask = draw_mask_by_threefry((64, 64), ReplicaSeedGenerator(1), 0.5)
    finally:
        tf.config.run_functions_eagerly(False)
    assert mask.numpy().mean() == pytest.approx(0.5, abs=0.05)


def test_a_tpu_draws_by_its_own_generator_and_its_compiler_fuses():
    kinds = {strategy: execution_of(TrainingConfig(strategy=strategy)) for strategy in ("one_device", "tpu")}
    assert kinds["tpu"].draw is draw_mask
    assert kinds["one_device"].draw is draw_mask_by_threefry
    assert kinds["tpu"].fuse is execution_of(TrainingConfig(jit_compile=True)).fuse is not kinds["one_device"].fuse
