"""Synthetic serial sections with known truth, rendered lazily from a seed."""

from __future__ import annotations

from napari_virtual_ihc.slides.phantom.cells import CELL
from napari_virtual_ihc.slides.phantom.parameters import (
    DEFAULTS,
    MARKERS,
    PHANTOM_VERSION,
    CellKind,
    PhantomParameters,
)
from napari_virtual_ihc.slides.phantom.phantom import Phantom

__all__ = [
    "CELL",
    "DEFAULTS",
    "MARKERS",
    "PHANTOM_VERSION",
    "CellKind",
    "Phantom",
    "PhantomParameters",
]
