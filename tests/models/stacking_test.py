"""Encoders made of a shallower one."""

import numpy as np
import pytest

from lealla_tf.checkpoints import encoder_weights, save_checkpoint, stack_into
from lealla_tf.checkpoints import load_checkpoint as load
from lealla_tf.config import BatchConfig, Config, EncoderConfig
from lealla_tf.errors import DataError
from lealla_tf.models.encoder import Encoder
from lealla_tf.models.stacking import stack_layers
from lealla_tf.text.vocabulary import SPECIAL_PIECES, Vocabulary

SHAPE = {"vocabulary_size": 7, "hidden_dim": 4, "num_heads": 2, "intermediate_dim": 6, "max_positions": 8}
VOCABULARY = Vocabulary([*SPECIAL_PIECES, "a", "b"])


def test_layers_are_repeated_in_their_order_and_the_rest_is_kept():
    weights = {f"layer_{n}/attention/query/kernel": np.full((2, 2), n) for n in range(2)} | {"pooler/bias": np.ones(2)}
    stacked = stack_layers(weights, 6)
    assert [int(stacked[f"layer_{n}/attention/query/kernel"][0, 0]) for n in range(6)] == [0, 1, 0, 1, 0, 1]
    assert stacked["pooler/bias"] is weights["pooler/bias"]
    assert len(stacked) == 7


def test_the_number_of_layers_must_be_a_multiple():
    with pytest.raises(ValueError, match=r"must be a multiple of the layers that are stacked, 2. Received: num_lay"):
        stack_layers({"layer_0/b": np.zeros(1), "layer_1/b": np.zeros(1)}, 3)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of two layers."""
    config = EncoderConfig(num_layers=2, **SHAPE)
    whole = Config(encoder=config, batch=BatchConfig(length=8))
    save_checkpoint(tmp_path / "two", Encoder.from_encoder_config(config), whole, VOCABULARY, {}, {})
    return load(tmp_path / "two")


def test_an_encoder_takes_the_layers_of_a_checkpoint(checkpoint):
    deep = Encoder(num_layers=4, **SHAPE)
    stack_into(deep, checkpoint)
    found, expected = encoder_weights(deep), checkpoint.read_weights()
    for name, value in found.items():
        origin = name.replace("layer_2/", "layer_0/").replace("layer_3/", "layer_1/")
        np.testing.assert_array_equal(value, expected[origin], err_msg=name)


@pytest.mark.parametrize(
    ("layers", "changes", "message"),
    [(3, {}, "cannot be stacked: .*multiple"), (4, {"hidden_dim": 8}, "has the shape")],
)
def test_a_checkpoint_that_does_not_fit(checkpoint, layers, changes, message):
    with pytest.raises(DataError, match=rf"encoder.npz: .*{message}"):
        stack_into(Encoder(num_layers=layers, **{**SHAPE, **changes}), checkpoint)
