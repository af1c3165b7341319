from __future__ import annotations

import numpy as np

from napari_virtual_ihc.tiles.heat import HeatScale, coloured, palette

SCALE = HeatScale("spread", "Spread", "DAB OD", 0.0, 0.2, "viridis", "standard deviation")


def test_colours_grow_lighter_from_low_to_high() -> None:
    lightness = palette("viridis").astype(float) @ (0.2126, 0.7152, 0.0722)
    assert len(lightness) == 256
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[-1] > lightness[0] + 150


def test_values_beyond_the_scale_take_its_ends_and_the_unknown_is_clear() -> None:
    values = np.array([[-1.0, 0.0, 0.2, 9.0, np.nan, 0.1]])
    shown = np.array([[True, True, True, True, True, False]])
    pixels = coloured(values, SCALE, shown)
    assert (pixels[0, 0] == pixels[0, 1]).all()
    assert (pixels[0, 2] == pixels[0, 3]).all()
    assert tuple(pixels[0, 2, :3]) == tuple(palette("viridis")[-1])
    assert pixels[0, :, 3].tolist() == [255, 255, 255, 255, 0, 0]
