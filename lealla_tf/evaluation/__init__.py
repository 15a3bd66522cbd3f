"""Benchmarks of sentence embeddings; each takes `embed`, a function from sentences to vectors."""
