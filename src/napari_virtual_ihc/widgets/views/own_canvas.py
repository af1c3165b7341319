"""The window's own canvas among its panes: it shows one layer alone, or all as in the list."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.widgets.views.choosing import over_base
from napari_virtual_ihc.widgets.views.pane_head import PaneHead
from napari_virtual_ihc.widgets.views.solo import Solo
from napari_virtual_ihc.widgets.window import frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from napari.qt import QtViewer

ALL_LAYERS = "layers as in the list"


class OwnCanvas(QObject):
    """Which layer the window's own canvas shows alone, and the line above it.

    Parameters
    ----------
    window
        The canvas part of a window.
    """

    chosen = Signal(int)
    """Index of the layer wanted, -1 for all as in the list."""

    def __init__(self, window: QtViewer) -> None:
        super().__init__(window)
        self.solo = Solo(window.viewer)
        self.head = PaneHead(closable=False)
        self.head.hide()
        self.head.chosen.connect(self._on_chosen)
        frame_of(window).layout().insertWidget(0, self.head)
        self._layer: weakref.ref[Image] | None = None

    @property
    def layer(self) -> Image | None:
        """The layer shown alone; None for all as in the list."""
        return None if self._layer is None else self._layer()

    def show(self, layer: Image | None, base: Image | None) -> None:
        """Show one layer alone, over ``base`` where it has gaps; all as in the list where None."""
        self._layer = None if layer is None else weakref.ref(layer)
        if layer is None:
            self.solo.restore()
        else:
            self.solo.show(over_base(layer, base))

    def cover(self, layer: Image) -> None:
        """Show ``layer`` above what is shown, which stays until it is taken off the viewer."""
        self._layer = weakref.ref(layer)
        layer.visible = True

    def offer(self, names: Sequence[str], index: int) -> None:
        """Offer layers by name, of which the one at ``index`` is shown alone; -1 for none."""
        self.head.offer([ALL_LAYERS, *names], index + 1)

    def _on_chosen(self, index: int) -> None:
        self.chosen.emit(index - 1)
