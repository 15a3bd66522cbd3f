"""What is saved of the encoder: the names in the file, and what an unprepared program can do with it."""

import keras
import pytest
import tensorflow as tf

from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import Encoder, count_parameters
from lealla_tf.presets import preset
from lealla_tf.saved_model.encoder import make_encoder

GOLDEN_LAYER = {
    "attention/query/kernel": [16, 16],
    "attention/query/bias": [16],
    "attention/key/kernel": [16, 16],
    "attention/key/bias": [16],
    "attention/value/kernel": [16, 16],
    "attention/value/bias": [16],
    "attention/output/kernel": [16, 16],
    "attention/output/bias": [16],
    "attention_norm/gamma": [16],
    "attention_norm/beta": [16],
    "intermediate/kernel": [16, 32],
    "intermediate/bias": [32],
    "output/kernel": [32, 16],
    "output/bias": [16],
    "output_norm/gamma": [16],
    "output_norm/beta": [16],
}
GOLDEN_REST = {
    "embeddings/token/embeddings": [59, 16],
    "embeddings/position/embeddings": [24, 16],
    "embeddings/segment/embeddings": [2, 16],
    "embeddings/norm/gamma": [16],
    "embeddings/norm/beta": [16],
    "pooler/kernel": [16, 16],
    "pooler/bias": [16],
}


def weights_of(directory):
    """Shapes by name, of the weights and of everything else in a SavedModel's file of variables."""
    weights, others = {}, {}
    for key, shape in tf.train.list_variables(str(directory / "variables" / "variables")):
        name = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        if name.startswith("weights/"):
            weights[name.removeprefix("weights/").replace(".S", "/")] = shape
        else:
            others[name] = shape
    return weights, others


def test_golden_names_and_shapes(exported):
    """Whoever reads weights from the file relies on these; changing them is a break."""
    golden = GOLDEN_REST | {f"layer_{i}/{name}": shape for i in range(2) for name, shape in GOLDEN_LAYER.items()}
    states = {f"dropout_states/{i}": [2] for i in range(7)} | {"_CHECKPOINTABLE_OBJECT_GRAPH": []}
    assert weights_of(exported / "encoder") == (golden, states | {"do_lower_case": [], "normalized": []})
    assert weights_of(exported / "sentence_encoder") == (golden, states | {"normalized": []})


def test_golden_names_of_loaded_variables(exported):
    loaded = tf.saved_model.load(str(exported / "encoder"))
    names = {name: variable.name for name, variable in loaded.weights.items()}
    assert names == {name: f"encoder/{name}:0" for name in weights_of(exported / "encoder")[0]}
    assert {tuple(v.shape) for v in loaded.variables} == {
        tuple(s) for s in weights_of(exported / "encoder")[0].values()
    } | {(2,)}


def test_lealla_small_has_the_same_names(vocabulary):
    config = preset("lealla_small", len(vocabulary)).encoder
    variables = Encoder.from_encoder_config(config).trainable_variables
    layers = {f"encoder/layer_{i}/{name}" for i in range(24) for name in GOLDEN_LAYER}
    assert {variable.path for variable in variables} == layers | {f"encoder/{name}" for name in GOLDEN_REST}
    assert sum(int(tf.size(variable.value)) for variable in variables) == count_parameters(config)["total"]


def test_variables_are_shared_with_the_encoder_and_not_copied(encoder, vocabulary, tmp_path):
    vocabulary.save(tmp_path / "vocabulary.txt")
    module = make_encoder(encoder, tmp_path / "vocabulary.txt")
    assert module.weights["pooler/bias"] is encoder.pooler.bias.value
    assert [v.ref() for v in module.variables] == [v.value.ref() for v in encoder.variables]


def test_other_backends_are_refused(monkeypatch, encoder, vocabulary, tmp_path):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UsageError, match=r"^Exporting needs Keras on TensorFlow. Received: KERAS_BACKEND=jax.$"):
        make_encoder(encoder, tmp_path / "vocabulary.txt")


def test_tf_keras_trains_it_through_the_hub(exported, run_stranger):
    run_stranger("hub_layers.py", exported)


def test_keras_trains_it(exported, run_stranger):
    run_stranger("keras_layers.py", exported)
