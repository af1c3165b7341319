"""Datasets, the loop, checkpoints and validation, shared by all methods."""
