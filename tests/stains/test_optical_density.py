from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_ihc.stains.optical_density import from_od, to_od


def test_known_values() -> None:
    od = to_od(np.array([255, 127, 0], dtype=np.uint8))
    np.testing.assert_allclose(od, [0, np.log10(2), np.log10(256)], atol=1e-6)


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(from_od(to_od(levels)), levels)


@pytest.mark.parametrize(("od", "colour"), [(-0.5, 255), (9.0, 0)])
def test_out_of_range_is_clipped(od: float, colour: int) -> None:
    assert from_od(np.array([od])) == colour
