"""Experiments: sets of runs as data, gone through one by one, and compared in a table and pictures."""
