"""Where napari puts each level, checked against napari itself (a layer needs no window)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tile_fakes import FakeProducer

from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.pyramid import TilePyramid

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.service import TileService

layers = pytest.importorskip("napari.layers")


def test_every_level_lies_where_its_scale_says(cache: TileCache, service: TileService) -> None:
    grid = TileGrid(12_345, 9_877, 512, 0.499)
    pyramid = TilePyramid(FakeProducer(grid), service, cache)
    layer = layers.Image(
        pyramid.levels,
        multiscale=True,
        rgb=True,
        contrast_limits=(0, 255),
        scale=(grid.mpp,) * 2,
        translate=(grid.mpp / 2,) * 2,
    )
    for n in range(len(pyramid.levels)):
        factor = layer.downsample_factors[n]
        np.testing.assert_array_equal(factor, [2**n, 2**n])
        corner = layer.translate - layer.scale / 2
        far_row = grid.level(n).height
        far = corner + layer.scale * factor * far_row
        np.testing.assert_allclose(far, far_row * grid.mpp * 2**n, rtol=1e-12)
        centre = corner + layer.scale * factor / 2
        np.testing.assert_allclose(centre, grid.mpp * 2**n / 2)


def test_napari_takes_the_levels_and_shows_what_is_there(
    cache: TileCache, service: TileService
) -> None:
    producer = FakeProducer(TileGrid(3000, 2500, 512, 0.5))
    overview = np.full((750, 625, 4), 200, np.uint8)
    pyramid = TilePyramid(producer, service, cache, overview)
    layer = layers.Image(pyramid.levels, multiscale=True, rgb=True, contrast_limits=(0, 255))
    assert layer.dtype == np.uint8
    assert layer.data_level == 2
    assert layer._slice.image.raw.shape == (750, 625, 4)
    assert (layer._slice.image.raw == 200).all()
    layer.refresh(extent=False, thumbnail=False, highlight=False)
    pyramid.set_overview(np.full((750, 625, 4), 100, np.uint8))
    layer.data = pyramid.levels
    assert (layer._slice.image.raw == 100).all()
