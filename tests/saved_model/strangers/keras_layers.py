"""Trains an export as a layer of Keras 3: DIRECTORY."""

import sys

import keras
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401

keras.utils.set_random_seed(0)
directory = sys.argv[1]
sentences = tf.constant(["a b c", "d e f", "a b d", "d f f", "b b c a", "e d f"])
labels = tf.constant([0, 1, 0, 1, 0, 1])
endpoints = {"call_endpoint": "serve", "call_training_endpoint": "serve_train"}


layer = keras.layers.TFSMLayer(f"{directory}/sentence_encoder", **endpoints)
before = layer(sentences).numpy()
np.testing.assert_array_equal(before, layer(sentences))
assert not np.array_equal(layer(sentences, training=True), layer(sentences, training=True))
assert len(layer.trainable_weights) == 39
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(layer(sentences, training=True) * tf.random.stateless_normal([6, 16], [1, 2]))
gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
assert all(gradient is not None for gradient in gradients)
inputs = keras.Input([], dtype="string")
model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
# TFSMLayer's weights have names that Keras cannot name the optimizer's variables by within fit.
model.optimizer.build(model.trainable_variables)
loss = model.evaluate(sentences, labels, verbose=0)
model.fit(sentences, labels, epochs=60, verbose=0)
assert model.evaluate(sentences, labels, verbose=0) < 0.5 * loss
assert np.abs(layer(sentences) - before).max() > 0.01

preprocess = keras.layers.TFSMLayer(f"{directory}/preprocessor", call_endpoint="serve")
encode = keras.layers.TFSMLayer(f"{directory}/encoder", **endpoints)
packed = preprocess(sentences)
outputs = encode(packed)
assert len(outputs["encoder_outputs"]) == 2
np.testing.assert_allclose(tf.math.l2_normalize(outputs["default"], axis=-1), before, atol=1e-5)
inputs = {name: keras.Input([16], dtype="int32", name=name) for name in packed}
assert encode(inputs)["default"].shape == (None, 16)

assert "lealla_tf" not in sys.modules
