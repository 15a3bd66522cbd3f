"""Trains an export as a layer of tf_keras: DIRECTORY."""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401
import tf_keras

tf_keras.utils.set_random_seed(0)
directory = sys.argv[1]
sentences = tf.constant(["a b c", "d e f", "a b d", "d f f", "b b c a", "e d f"])
labels = tf.constant([0, 1, 0, 1, 0, 1])


def check_gradients(layer, call):
    """All weights are reached; the keys' biases alone make no difference to a softmax."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call() * tf.random.stateless_normal([6, 16], [1, 2]))
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert len(gradients) == 39
    for gradient, weight in zip(gradients, layer.trainable_weights, strict=True):
        assert gradient is not None, weight.name
        assert "key/bias" in weight.name or np.abs(tf.convert_to_tensor(gradient)).max() > 1e-6, weight.name


def check_learning(model):
    model.compile(tf_keras.optimizers.Adam(0.01), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.evaluate(sentences, labels, verbose=0)
    model.fit(sentences, labels, epochs=60, verbose=0)
    assert model.evaluate(sentences, labels, verbose=0) < 0.5 * before


loaded = hub.load(f"{directory}/sentence_encoder")(sentences)
layer = hub.KerasLayer(f"{directory}/sentence_encoder", trainable=True)
np.testing.assert_array_equal(layer(sentences), loaded)
assert not np.array_equal(layer(sentences, training=True), layer(sentences, training=True))
check_gradients(layer, lambda: layer(sentences, training=True))
model = tf_keras.Sequential([tf_keras.layers.Input([], dtype=tf.string), layer, tf_keras.layers.Dense(2)])
check_learning(model)
assert np.abs(layer(sentences) - loaded).max() > 0.01

preprocess = hub.KerasLayer(f"{directory}/preprocessor", arguments={"seq_length": 12})
encode = hub.KerasLayer(f"{directory}/encoder", trainable=True)
assert preprocess(sentences)["input_word_ids"].shape == (6, 12)
np.testing.assert_allclose(tf.math.l2_normalize(encode(preprocess(sentences))["default"], -1), loaded, atol=1e-5)
check_gradients(encode, lambda: encode(preprocess(sentences), training=True)["default"])
inputs = tf_keras.layers.Input([], dtype=tf.string)
outputs = encode(preprocess(inputs))
assert len(outputs["encoder_outputs"]) == 2
check_learning(tf_keras.Model(inputs, tf_keras.layers.Dense(2)(outputs["default"])))

frozen = hub.KerasLayer(f"{directory}/sentence_encoder")
assert not frozen.trainable_weights
np.testing.assert_array_equal(frozen(sentences, training=True), loaded)

assert "lealla_tf" not in sys.modules
