"""Parallel text: from files to batches."""
