"""Pictures of a region show in full colour what was measured."""

from __future__ import annotations

import numpy as np

from napari_virtual_ihc.comparison.inside import inside, pale_outside
from napari_virtual_ihc.comparison.squares import Box


def ring(low: float, high: float) -> np.ndarray:
    return np.array([(low, low), (low, high), (high, high), (high, low)], np.float64)


def test_holes_and_surroundings_are_pale() -> None:
    box, rings = Box(100, 100, 50, 50), [ring(110, 140), ring(120, 130)]
    held = inside((50, 50), rings, box, 1.0)
    expected = np.zeros((50, 50), np.bool_)
    expected[11:39, 11:39] = True
    expected[19:31, 19:31] = False
    assert (held[11:19, 11:39]).all()
    assert not held[21:29, 21:29].any()
    assert not held[:9].any()
    assert abs(held.sum() - (30**2 - 10**2)) < 80
    dark = np.zeros((50, 50, 3), np.uint8)
    pale = pale_outside(dark, rings, box, 1.0)
    assert (pale[held] == 0).all()
    assert (pale[~held] > 150).all()
    assert pale_outside(dark, (), box, 1.0) is dark
