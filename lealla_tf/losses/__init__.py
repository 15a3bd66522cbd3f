"""The losses of LEALLA: pure functions of embeddings, each with a thin class."""
