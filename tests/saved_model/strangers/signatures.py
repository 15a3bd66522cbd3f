"""Uses an export with TensorFlow alone: DIRECTORY OUTPUT.npz; leaves what it got in OUTPUT.npz."""

import pathlib
import sys
import tempfile

import numpy as np
import tensorflow as tf

directory, output = sys.argv[1:]
sentences = tf.constant(["ab c!", "", "xyz " * 30])
ids = np.array([[2, 5, 32, 7, 57, 3, 0], [2, 3, 0, 0, 0, 0, 0]], np.int32)
inputs = {"input_word_ids": ids, "input_mask": np.int32(ids != 0), "input_type_ids": 0 * ids}
inputs = {name: tf.constant(value) for name, value in inputs.items()}

# The encoder, while the text operators are missing.
encoder = tf.saved_model.load(f"{directory}/encoder")
assert "tensorflow_text" not in sys.modules
assert not any("Wordpiece" in name for name in dir(tf.raw_ops))
served = encoder.signatures["serving_default"](**inputs)
assert sorted(served) == ["default", "pooled_output", "sequence_output"]
outputs = encoder(inputs)
assert sorted(outputs) == ["default", "encoder_outputs", "pooled_output", "sequence_output"]
assert [tuple(value.shape) for value in outputs["encoder_outputs"]] == [(2, 7, 16)] * 2
assert tuple(outputs["sequence_output"].shape) == (2, 7, 16)
np.testing.assert_array_equal(outputs["default"], outputs["pooled_output"])
np.testing.assert_array_equal(outputs["encoder_outputs"][1], outputs["sequence_output"])
for name, value in served.items():
    np.testing.assert_allclose(value, outputs[name], atol=1e-5)
assert encoder.do_lower_case.numpy() == encoder.normalized.numpy() == np.bool_(False)
assert tf.io.gfile.GFile(encoder.vocab_file.asset_path.numpy().decode()).read().split("\n")[5] == "a"

# Lengths: up to the table's 24 rows, and an error beyond them.
for length in (1, 24, 25):
    longer = {name: tf.ones((1, length), tf.int32) for name in inputs}
    try:
        assert encoder(longer)["sequence_output"].shape == (1, length, 16)
        assert length <= 24
    except tf.errors.InvalidArgumentError as error:
        assert length == 25
        assert "at most 24 tokens" in str(error)

import tensorflow_text  # noqa: E402, F401

preprocessor = tf.saved_model.load(f"{directory}/preprocessor")
sentence_encoder = tf.saved_model.load(f"{directory}/sentence_encoder")
packed = preprocessor.signatures["serving_default"](sentences=sentences)
embeddings = sentence_encoder.signatures["serving_default"](sentences=sentences)["default"]
np.savez(output, embeddings=embeddings, pooled=served["default"], **packed)

for model, value in ((encoder, packed), (sentence_encoder, sentences)):
    plain, explicit, once, again = (model(value), model(value, False), model(value, True), model(value, training=True))
    if model is encoder:
        plain, explicit, once, again = (result["default"] for result in (plain, explicit, once, again))
    np.testing.assert_array_equal(plain, explicit)
    assert len({array.numpy().tobytes() for array in (plain, once, again)}) == 3, "dropout is the same at each call"
    assert not model.regularization_losses
    assert len(model.trainable_variables) == len(model.weights) == 39
    # A state for the embeddings, and three for each of two layers.
    assert len(model.variables) == 39 + 7

# Loaded and saved again: what can be called can still be called; the signatures are gone unless they are given.
with tempfile.TemporaryDirectory() as place:
    for name, model in (("preprocessor", preprocessor), ("encoder", encoder), ("sentence_encoder", sentence_encoder)):
        tf.saved_model.save(model, f"{place}/{name}", signatures=dict(model.signatures))
    preprocessor, encoder, again = (
        tf.saved_model.load(f"{place}/{name}") for name in ("preprocessor", "encoder", "sentence_encoder")
    )
    np.testing.assert_array_equal(again(sentences), sentence_encoder(sentences))
    np.testing.assert_array_equal(preprocessor(sentences)["input_word_ids"], packed["input_word_ids"])
    assert preprocessor.tokenize(sentences).ragged_rank == 2
    served = encoder.signatures["serving_default"](**packed)["default"]
    np.testing.assert_allclose(tf.math.l2_normalize(served, axis=-1), embeddings, atol=1e-5)
    assert len(again.variables) == 46
    assert not np.array_equal(again(sentences, training=True), again(sentences, training=True))
    asset = pathlib.Path(encoder.vocab_file.asset_path.numpy().decode())
    assert asset.is_relative_to(pathlib.Path(place).resolve()) or asset.is_relative_to(place)
    assert asset.read_text().startswith("[PAD]\n[UNK]\n")

assert "lealla_tf" not in sys.modules
assert "tensorflow_hub" not in sys.modules
