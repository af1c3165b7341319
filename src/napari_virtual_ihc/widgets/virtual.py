"""The layers of virtual pixels in a viewer: which there are, which are seen, hiding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.camera import Box, bounding_box, to_slide, visible_box
from napari_virtual_ihc.widgets.layers import (
    MIXED,
    HeatInfo,
    VirtualInfo,
    heat_of,
    slide_of,
    virtual_of,
)
from napari_virtual_ihc.widgets.overlays import OVER, banner_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_virtual_ihc.slides.slide import Slide


def virtual_layers(viewer: ViewerModel) -> list[Layer]:
    """Return the layers of virtual pixels, bottom first."""
    return [layer for layer in viewer.layers if virtual_of(layer) is not None]


def hide_virtual(viewer: ViewerModel) -> list[Layer]:
    """Hide what is virtual and return it."""
    shown = [layer for layer in virtual_layers(viewer) if layer.visible]
    for layer in shown:
        layer.visible = False
    return shown


def show_again(layers: list[Layer]) -> None:
    """Show these layers."""
    for layer in layers:
        layer.visible = True


def toggle_virtual(viewer: ViewerModel) -> None:
    """Hide what is virtual; where nothing virtual is shown, show all of it."""
    if not hide_virtual(viewer):
        show_again(virtual_layers(viewer))


def virtual_in_view(viewer: ViewerModel) -> VirtualInfo | None:
    """Return what the topmost virtual layer on screen says of itself, or None."""
    layer = _topmost(viewer, virtual_of)
    return None if layer is None else virtual_of(layer)


def banner_in_view(viewer: ViewerModel) -> str:
    """Return the words that say what is virtual on screen, and what lies over it; or none.

    Of a layer that is mixed with another one they say where it is seen instead.
    """
    layer = _topmost(viewer, virtual_of)
    info = None if layer is None else virtual_of(layer)
    if layer is None or info is None:
        return ""
    where = layer.metadata.get(MIXED, "")
    covered = not where and _topmost(viewer, _real_or_virtual) is not layer
    return (OVER if covered else "") + banner_text(info.marker, info.model, where)


def _real_or_virtual(layer: Layer) -> Slide | VirtualInfo | None:
    return virtual_of(layer) or slide_of(layer)


def heat_in_view(viewer: ViewerModel) -> HeatInfo | None:
    """Return what the topmost map on screen says of itself, or None."""
    layer = _topmost(viewer, heat_of)
    return None if layer is None else heat_of(layer)


def _topmost(viewer: ViewerModel, info_of: Callable[[Layer], object]) -> Layer | None:
    view = visible_box(viewer)
    for layer in reversed(viewer.layers):
        shown = layer.visible and layer.opacity and info_of(layer) is not None
        if shown and reaches(viewer, layer, view):
            return layer
    return None


def place_above(viewer: ViewerModel, below: Layer | None, layer: Layer) -> None:
    """Move a new layer above its slide and what is virtual right above that."""
    layers = viewer.layers
    if below is None:
        return
    place = layers.index(below) + 1
    while place < len(layers) - 1 and virtual_of(layers[place]) is not None:
        place += 1
    layers.move(layers.index(layer), place)


def reaches(viewer: ViewerModel, layer: Layer, view: Box) -> bool:
    """Whether a layer has area inside ``view`` (µm of the slide)."""
    (top, left), (bottom, right) = layer.extent.data[:, -2:]
    corners = ((top, left), (top, right), (bottom, left), (bottom, right))
    places = (layer.data_to_world(corner)[-2:] for corner in corners)
    return view.intersects(bounding_box(to_slide(viewer, *place) for place in places))
