"""Nearest neighbours among embeddings, and the pairs they make: arrays in, arrays out.

TensorFlow is imported when a search begins.
"""

from lealla_tf.retrieval.margin import Pairs as Pairs
from lealla_tf.retrieval.margin import choose_pairs as choose_pairs
from lealla_tf.retrieval.margin import margin_scores as margin_scores
from lealla_tf.retrieval.margin import mine_pairs as mine_pairs
from lealla_tf.retrieval.margin import score_pairs as score_pairs
from lealla_tf.retrieval.neighbours import Neighbours as Neighbours
from lealla_tf.retrieval.neighbours import nearest as nearest
from lealla_tf.retrieval.neighbours import nearest_neighbours as nearest_neighbours
from lealla_tf.retrieval.neighbours import precision_at_1 as precision_at_1
