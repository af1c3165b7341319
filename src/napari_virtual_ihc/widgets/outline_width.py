"""Outlines as wide on screen at every zoom: napari has their width in µm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.layers import OUTLINE

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

WIDTH_PX = 2.5
_ENOUGH = 0.02
"""A share of the width that nobody sees."""


def add_outlines(viewer: ViewerModel, name: str, colour: str) -> Shapes:
    """Add an empty layer for outlines that :func:`fit_outlines` takes care of."""
    layer: Shapes = viewer.add_shapes(
        name=name,
        ndim=2,
        edge_color=colour,
        edge_width=width_um(viewer),
        face_color="transparent",
        units=("um", "um"),
        metadata={OUTLINE: True},
    )
    return layer


def width_um(viewer: ViewerModel) -> float:
    """Return how wide an outline is in µm to be `WIDTH_PX` wide on screen."""
    return WIDTH_PX / float(viewer.scene.camera.zoom)


def fit_outlines(viewer: ViewerModel) -> None:
    """Give the outlines of a viewer their width at its present zoom; for when its camera rests."""
    from napari.layers import Shapes

    width = width_um(viewer)
    for layer in viewer.layers:
        if isinstance(layer, Shapes) and OUTLINE in layer.metadata:
            present = (layer.current_edge_width, *layer.edge_width)
            if any(abs(one - width) > _ENOUGH * width for one in present):
                layer.edge_width = width
                layer.current_edge_width = width
