"""Nearest neighbours among embeddings: arrays in, arrays out, NumPy alone."""

from lealla_tf.retrieval.neighbours import nearest as nearest
from lealla_tf.retrieval.neighbours import precision_at_1 as precision_at_1
