"""Models made of the layers, in `keras.ops` alone."""
