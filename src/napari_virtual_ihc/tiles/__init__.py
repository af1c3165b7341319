"""Slide-anchored grid, cache, service and duck-array pyramid, for any producer of tiles."""
