"""Training under tf.distribute: the model with its losses, and a run from start to end."""
