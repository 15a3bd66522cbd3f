"""Layers of a BERT encoder, in `keras.ops` alone."""
