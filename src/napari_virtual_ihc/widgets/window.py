"""The one place that reaches from a viewer to its Qt window, by public names only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.qt import QtViewer
    from qtpy.QtWidgets import QWidget
    from vispy.scene import Node


def unproxied(viewer: ViewerModel) -> ViewerModel:
    """Return the viewer behind the public-only proxy that plug-in widgets are given.

    The proxy is made anew at every access, so it cannot be compared or referred to weakly; nothing
    private is used of what it wraps.
    """
    own: ViewerModel = getattr(viewer, "__wrapped__", viewer)
    return own


def open_windows() -> Iterator[QtViewer]:
    """Yield the canvas part of every napari window of this process, without panes inside it."""
    from napari.qt import QtViewer
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        return
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QtViewer):
            yield widget
        yield from (one for one in widget.findChildren(QtViewer) if not _inside(one, QtViewer))


def _inside(widget: QWidget, kind: type[QWidget]) -> bool:
    """Whether a widget lies in one of a kind."""
    parent = widget.parentWidget()
    return parent is not None and (isinstance(parent, kind) or _inside(parent, kind))


def window_of(viewer: ViewerModel) -> QtViewer | None:
    """Return the canvas part of a viewer's window, or None where it has no window."""
    own = unproxied(viewer)
    return next((window for window in open_windows() if window.viewer is own), None)


def canvas_of(window: QtViewer) -> QWidget:
    """Return the widget napari draws on."""
    canvas: QWidget = window.canvas.native
    return canvas


def frame_of(window: QtViewer) -> QWidget:
    """Return the widget that holds a window's canvas, in a layout that takes more above it."""
    frame: QWidget = window.canvas.native.parentWidget()
    return frame


def node_of(window: QtViewer, layer: Layer) -> Node:
    """Return what napari draws a layer with."""
    node: Node = window.layer_to_visual[layer].node
    return node
