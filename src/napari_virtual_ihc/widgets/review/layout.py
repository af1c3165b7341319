"""Between a window and the layout that a review keeps: which layer is which, and its display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.review_layout import (
    Canvas,
    Display,
    LayerName,
    Mix,
    ReviewLayout,
)
from napari_virtual_ihc.widgets.layers import WARPED, heat_of, region_of, virtual_of
from napari_virtual_ihc.widgets.views.solo import images

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.widgets.session import Session

_SHARED = ("gamma", "blending", "interpolation2d")


def named_layers(session: Session) -> dict[LayerName, Image]:
    """Return the layers of a window that a review can name; of slides, those that are read."""
    named: dict[LayerName, Image] = {}
    for entry in session.slides():
        layer = entry.layer()
        if layer is not None and entry.facts is not None:
            moving = layer.metadata.get(WARPED)
            kind = "slide" if moving is None else "registered"
            named[LayerName(kind, moving or entry.slide.fingerprint)] = layer
    for layer in images(session.viewer):
        name = _made_of(layer)
        if name is not None:
            named[name] = layer
    return named


def present_layout(session: Session) -> ReviewLayout:
    """Return how a window looks now."""
    named = named_layers(session)
    names = {layer: name for name, layer in named.items()}
    panes, own = session.panes, session.panes.own()
    canvases = [Canvas(None if own is None else names.get(own))]
    canvases += [
        Canvas(None if pane.layer is None else names.get(pane.layer), pane.shift, pane.linked)
        for pane in panes.all()
    ]
    displays = tuple(_display(session, layer, name) for name, layer in named.items())
    return ReviewLayout(tuple(canvases), panes.grid, displays, _mix(session, names))


def display(session: Session, layer: Image, wanted: Display) -> None:
    """Show a layer as it was shown; raises ValueError for a word that napari does not know."""
    for name in _SHARED:
        setattr(layer, name, getattr(wanted, name))
    layer.contrast_limits = wanted.contrast_limits
    layer.opacity = wanted.opacity
    session.panes.solo.set_visible(layer, on=wanted.visible)


def _made_of(layer: Image) -> LayerName | None:
    """Return the name of a virtual stain or a map; None for all else, such as a region's."""
    virtual, heat = virtual_of(layer), heat_of(layer)
    if virtual is not None and region_of(layer) is None:
        return LayerName("virtual", virtual.slide, virtual.model)
    if heat is not None:
        return LayerName("map", heat.slide, heat.scale.name, heat.provenance.get("between", ""))
    return None


def _display(session: Session, layer: Image, name: LayerName) -> Display:
    low, high = (float(limit) for limit in layer.contrast_limits)
    return Display(
        name,
        session.panes.solo.visible(layer),
        session.mixing.opacity(layer),
        float(layer.gamma),
        (low, high),
        str(layer.blending),
        str(layer.interpolation2d),
    )


def _mix(session: Session, names: dict[Image, LayerName]) -> Mix | None:
    way, pair = session.mixing.way, session.mixing.pair
    if way is None or pair is None:
        return None
    first, second = (names.get(layer) for layer in pair)
    if first is None or second is None:
        return None
    return Mix(way.value, session.mixing.share, first, second)
