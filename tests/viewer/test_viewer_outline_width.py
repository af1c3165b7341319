"""Outlines stay as wide on screen at every zoom; what else is drawn keeps its width."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.widgets.compare.regions import start_drawing
from napari_virtual_ihc.widgets.outline_width import WIDTH_PX, fit_outlines
from napari_virtual_ihc.widgets.review.regions import show_regions

SQUARE = np.array([[100, 100], [100, 300], [250, 300], [250, 100.0]])


def test_outlines_have_their_width_on_screen_at_every_zoom() -> None:
    viewer = ViewerModel()
    viewer.scene.camera.zoom = 0.18
    show_regions(viewer, [ReviewRegion((Polygon(SQUARE + by),)) for by in (0, 9)])
    start_drawing(viewer)
    theirs = viewer.add_shapes([SQUARE], edge_width=3, ndim=2)
    review, drawn = viewer.layers[:2]
    assert review.edge_width == pytest.approx([WIDTH_PX / 0.18] * 2)
    for zoom in (4.0, 0.02):
        viewer.scene.camera.zoom = zoom
        fit_outlines(viewer)
        drawn.add_rectangles(SQUARE)
        for layer in (review, drawn):
            assert np.array(layer.edge_width) * zoom == pytest.approx(WIDTH_PX)
    assert theirs.edge_width == [3]
