"""The released models: three SavedModels of TensorFlow Hub's format, and what verifies them."""
