"""Raw strings to token ids inside the graph, and the learning of the vocabulary they need."""
