import pytest

from lealla_tf.saved_model.preprocessor import make_preprocessor
from lealla_tf.text.tokenizer import Tokenizer


def test_a_stranger_uses_the_whole_interface(exported, run_stranger):
    run_stranger("preprocessing.py", exported / "preprocessor")


def test_rows_must_have_room_for_two_segments(vocabulary):
    with pytest.raises(ValueError, match=r"`length` must be at least 5, for two segments. Received: length=4."):
        make_preprocessor(Tokenizer(vocabulary), 4)
