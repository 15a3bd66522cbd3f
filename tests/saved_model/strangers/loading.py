"""Loads a model of any size and embeds a sentence: DIRECTORY."""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401

model = tf.saved_model.load(f"{sys.argv[1]}/sentence_encoder")
embeddings = model(tf.constant(["hello there", "hello there", "not that"])).numpy()
np.testing.assert_allclose(np.linalg.norm(embeddings, axis=-1), 1, atol=1e-5)
np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-6)
assert "lealla_tf" not in sys.modules
