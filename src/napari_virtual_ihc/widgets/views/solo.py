"""Showing a few layers of a viewer alone, and all as they were afterwards."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.layers import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel


def images(viewer: ViewerModel) -> list[Image]:
    """Return the pictures of a viewer, bottom first."""
    return [layer for layer in viewer.layers if isinstance(layer, Image)]


class Solo:
    """Remembers which pictures were visible before some were shown alone.

    Parameters
    ----------
    viewer
        Held weakly; what is no picture, such as outlines, stays as it is.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._before: weakref.WeakKeyDictionary[Image, bool] | None = None

    def visible(self, layer: Image) -> bool:
        """Whether a picture is visible, or will be once all are shown again."""
        before = {} if self._before is None else self._before
        return bool(before.get(layer, layer.visible))

    def set_visible(self, layer: Image, *, on: bool) -> None:
        """Have a picture visible or not: now, or once all are shown again."""
        if self._before is None:
            _set_visible(layer, on=on)
        else:
            self._before[layer] = on

    def show(self, shown: Sequence[Image]) -> None:
        """Show these pictures and no others."""
        viewer = self._viewer()
        if viewer is None:
            return
        if self._before is None:
            self._before = weakref.WeakKeyDictionary()
        for layer in images(viewer):
            self._before.setdefault(layer, layer.visible)
            _set_visible(layer, on=layer in shown)

    def restore(self) -> None:
        """Show all pictures as they were."""
        before, self._before = self._before, None
        for layer, visible in [] if before is None else list(before.items()):
            _set_visible(layer, on=visible)


def _set_visible(layer: Image, *, on: bool) -> None:
    if layer.visible != on:
        layer.visible = on
