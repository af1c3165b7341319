"""Torch modules: architecture only, in the published checkpoint layouts."""
