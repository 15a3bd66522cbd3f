"""The exported sentence encoder against the Keras encoder, from Python and from C."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text

from lealla_tf.text.packing import pack
from lealla_tf.text.tokenizer import Tokenizer

SENTENCES = ["ab c!", "", "xyz " * 30]


@pytest.fixture(scope="module")
def expected(encoder, vocabulary):
    """Embeddings by the Keras encoder, all rows padded to 16 tokens."""
    inputs = pack([Tokenizer(vocabulary, "exact").tokenize_flat(tf.constant(SENTENCES))], vocabulary, 16)
    return encoder(inputs)["embedding"].numpy()


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported / "sentence_encoder"))


def test_a_stranger_gets_the_same_vectors(exported, run_stranger, expected, encoder, tmp_path):
    run_stranger("signatures.py", exported, tmp_path / "results.npz")
    with np.load(tmp_path / "results.npz") as results:
        np.testing.assert_allclose(results["embeddings"], expected, atol=1e-5)
        # Not of unit length, as LaBSE's: the pooler's output, of rows of 7 tokens.
        pooled = results["pooled"]
        assert not np.allclose(np.linalg.norm(pooled, axis=-1), 1, atol=0.05)
        ids = np.array([[2, 5, 32, 7, 57, 3, 0], [2, 3, 0, 0, 0, 0, 0]])
        outputs = encoder({"token_ids": ids, "padding_mask": ids != 0, "segment_ids": 0 * ids})
        np.testing.assert_allclose(pooled, outputs["pooled_output"], atol=1e-5)
        assert results["input_word_ids"].shape == (3, 16)


def test_a_program_without_python_gets_the_same_vectors(exported, run_stranger, expected, tmp_path):
    libraries = Path(tf.sysconfig.get_lib())
    if not (libraries / "libtensorflow_cc.so.2").is_file():
        pytest.skip("this build of TensorFlow has no library with the C API")
    operators = Path(tensorflow_text.__file__).parent / "python" / "ops"
    run_stranger("c_api.py", exported, libraries, operators, tmp_path / "results")
    results = np.fromfile(tmp_path / "results", np.float32).reshape(3, 16)
    np.testing.assert_allclose(results, expected, atol=1e-5)


def test_neighbours_in_the_batch_change_nothing(loaded, expected):
    """A batch is padded to its longest sentence; alone, a sentence is not padded at all."""
    alone = np.concatenate([loaded(tf.constant([sentence])) for sentence in SENTENCES])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_a_batch_may_be_empty(loaded):
    assert loaded(tf.constant([], tf.string)).shape == (0, 16)


def test_only_the_first_16_tokens_count(loaded):
    kept = "a b c d e f g h i j k l m n"
    embeddings = loaded(tf.constant([kept, f"{kept} o p", kept.replace("n", "o")])).numpy()
    np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-5)
    assert np.abs(embeddings[0] - embeddings[2]).max() > 1e-3


def test_shape_and_length_are_recorded(loaded):
    assert bool(loaded.normalized.numpy())
    output = loaded.signatures["serving_default"].structured_outputs["default"]
    assert (output.shape.as_list(), output.dtype) == ([None, 16], tf.float32)
