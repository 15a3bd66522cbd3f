import keras
import numpy as np
import pytest
from keras import ops

from lealla_tf.layers.dropout import Dropout, ReplicaSeedGenerator
from lealla_tf.layers.execution import Execution

ONES = np.ones((64, 256), "float32")


def of_replica(number: object) -> Execution:
    return Execution(replica_id=lambda: number)


def draw(layer: Dropout, inputs: np.ndarray = ONES) -> np.ndarray:
    return ops.convert_to_numpy(layer(inputs, training=True))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_units_are_dropped_at_the_rate_and_the_others_scaled(rate: float) -> None:
    outputs = draw(Dropout(rate, seed=1), np.ones((1000, 1000), "float32"))
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1 / (1 - rate))}
    # The standard deviation of the mean of a million such units is at most 1e-3.
    assert outputs.mean() == pytest.approx(1.0, abs=5e-3)
    assert (outputs == 0).mean() == pytest.approx(rate, abs=5e-3)


def test_nothing_is_dropped_outside_training_or_at_rate_0() -> None:
    np.testing.assert_array_equal(Dropout(0.5)(ONES), ONES)
    np.testing.assert_array_equal(Dropout(0.0)(ONES, training=True), ONES)


def test_the_masks_follow_from_the_seed() -> None:
    first, again, other = (Dropout(0.5, seed=seed) for seed in (3, 3, 4))
    masks = [draw(first), draw(first)]
    np.testing.assert_array_equal(masks[0], draw(again))
    np.testing.assert_array_equal(masks[1], draw(again))
    assert (masks[0] != masks[1]).mean() == pytest.approx(0.5, abs=0.05)
    assert (masks[0] != draw(other)).mean() == pytest.approx(0.5, abs=0.05)


def test_every_replica_draws_its_own_mask() -> None:
    """Independent masks of rate 1/2 agree in half of the units; those of Keras' own layer would agree in all."""
    zero, one, two = (draw(Dropout(0.5, seed=3, execution=of_replica(replica))) for replica in range(3))
    for other in (one, two):
        assert (zero != other).mean() == pytest.approx(0.5, abs=0.05)
    assert (one != two).mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(zero, draw(Dropout(0.5, seed=3)))


def test_the_replica_is_asked_at_every_draw() -> None:
    """One layer serves all replicas: the number is not known where the layer is made."""
    number = 0
    layer = Dropout(0.5, seed=3, execution=Execution(replica_id=lambda: number))
    draw(layer)
    number = 1
    expected = Dropout(0.5, seed=3, execution=of_replica(1))
    draw(expected)
    np.testing.assert_array_equal(draw(layer), draw(expected))


def test_no_seed_of_one_replica_is_one_of_another() -> None:
    """Layers count up from a seed; a replica's seeds must not run into the next one's."""
    seeds = {
        tuple(int(part) for part in ops.convert_to_numpy(generator.next()))
        for seed in range(100)
        for replica in range(4)
        for generator in [ReplicaSeedGenerator(seed, lambda replica=replica: replica)]
    }
    assert len(seeds) == 400


def test_the_replica_may_be_a_tensor() -> None:
    layer = Dropout(0.5, seed=3, execution=of_replica(ops.convert_to_tensor(1, "int32")))
    np.testing.assert_array_equal(draw(layer), draw(Dropout(0.5, seed=3, execution=of_replica(1))))


def test_configuration() -> None:
    layer = Dropout(0.25, seed=7, execution=of_replica(1), name="here")
    config = layer.get_config()
    assert "execution" not in config
    copy = Dropout.from_config(config)
    assert copy.get_config() == config
    assert (copy.rate, copy.seed, copy.name) == (0.25, 7, "here")
    np.testing.assert_array_equal(draw(copy), draw(Dropout(0.25, seed=7)))


def test_output_shape() -> None:
    inputs = keras.Input((3, 4))
    assert Dropout(0.5)(inputs).shape == (None, 3, 4)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_refused_rates(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"`rate` must be in \[0, 1\). Received: rate={rate}."):
        Dropout(rate)
