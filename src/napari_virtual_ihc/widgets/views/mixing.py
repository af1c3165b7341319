"""Two layers in one picture: curtain, checkerboard, blink and opacity, between any two layers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets.views.choosing import base_of, next_to_see, over_base, replaces
from napari_virtual_ihc.widgets.views.mixing_head import MixingHead
from napari_virtual_ihc.widgets.views.mixing_model import Way
from napari_virtual_ihc.widgets.views.mixture import Mixture
from napari_virtual_ihc.widgets.views.solo import images
from napari_virtual_ihc.widgets.window import frame_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from napari.qt import QtViewer

    from napari_virtual_ihc.widgets.session import Session

BLINK_MS = 700


class Mixing(QObject):
    """Shows two layers of a window in one canvas, over the H&E, each where or when it has its turn.

    Parameters
    ----------
    session
        Of the window.
    window
        The canvas part of it.
    """

    changed = Signal()
    """Another way than before, or none."""

    def __init__(self, session: Session, window: QtViewer) -> None:
        super().__init__(window)
        self.way: Way | None = None
        self.share = 0.5
        self._session = weakref.ref(session)
        self._pair: tuple[weakref.ref[Image], weakref.ref[Image]] | None = None
        self._solo = session.panes.solo
        self._mixture = Mixture(window)
        self.curtain = self._mixture.curtain
        self.head = MixingHead()
        self.head.hide()
        frame_of(window).layout().insertWidget(0, self.head)
        self._blinking = QTimer(self, interval=BLINK_MS)
        self._listen(session)

    @property
    def pair(self) -> tuple[Image, Image] | None:
        """The two layers; None where there is no second one, or one of them is gone."""
        found = [] if self._pair is None else [one() for one in self._pair]
        layers = self._images()
        first, second = found or (None, None)
        return (first, second) if first in layers and second in layers else None

    def opacity(self, layer: Image) -> float:
        """Return the opacity that a layer has of its own, whatever it is given to be mixed."""
        return self._mixture.opacity(layer)

    def start(self, way: Way) -> None:
        """See two layers in this way; those seen before, or the H&E and what lies on it."""
        if self._begin(way, 0.0 if way is Way.BLINK else 0.5):
            self.head.show()
            if way is Way.BLINK:
                self._blinking.start()
            self.changed.emit()

    def stop(self) -> None:
        """See all layers as they were."""
        if self.way is None:
            return
        self.way = None
        self._blinking.stop()
        self._mixture.end()
        self._solo.restore()
        self._known.canvas.label()
        self.head.hide()
        self.changed.emit()

    def toggle(self, way: Way) -> None:
        """Begin this way of seeing, or end it."""
        if self.way is way:
            self.stop()
        else:
            self.start(way)

    def set_pair(self, first: Image, second: Image) -> None:
        """See these two layers, the first one left."""
        self._mixture.end()
        self._pair = weakref.ref(first), weakref.ref(second)
        if self.way is not None:
            self._apply()

    def swap(self) -> None:
        """Let the two layers change sides."""
        if self.pair is not None:
            first, second = self.pair
            self.set_pair(second, first)

    def set_share(self, share: float) -> None:
        """Move the curtain to ``share`` of the width, or fade so far from first to second."""
        self.share = share
        self._draw()

    def flip(self) -> None:
        """Show the other layer of the two."""
        self.set_share(0.0 if self.share >= 0.5 else 1.0)

    def hold_other(self) -> Callable[[], None]:
        """Show the other of two layers; the function returned shows what was seen before.

        Side by side, the window's own canvas and the first pane change layers meanwhile.
        """
        panes = self._known.panes
        if panes.all():
            panes.swap()
            return panes.swap
        way, share = self.way, self.share
        self._begin(Way.BLINK, 0.0 if way is Way.BLINK and share >= 0.5 else 1.0)

        def let_go() -> None:
            if way is None:
                self.stop()
            else:
                self._begin(way, share)
            if way is Way.BLINK:
                self._blinking.start()

        return let_go

    def _begin(self, way: Way, share: float) -> bool:
        """See a pair in this way from ``share`` on; tell whether there is a pair."""
        if self.pair is None and not self._choose_pair():
            return False
        self._known.panes.arrange(1)
        self._blinking.stop()
        self._mixture.end()
        self.way, self.share = way, share
        self._apply()
        return True

    def _listen(self, session: Session) -> None:
        self._blinking.timeout.connect(self.flip)
        self.curtain.dragged.connect(self.set_share)
        self.head.share_wanted.connect(self.set_share)
        self.head.pair_wanted.connect(self._on_pair_wanted)
        self.head.swap_wanted.connect(self.swap)
        session.layer_connected.connect(self._on_connected)
        viewer = session.viewer
        viewer.canvas.events.size.connect(self._on_resized)
        viewer.layers.events.inserted.connect(self._on_layers_changed)
        viewer.layers.events.removed.connect(self._on_layers_changed)

    @property
    def _known(self) -> Session:
        session = self._session()
        if session is None:
            raise RuntimeError("The session of this window is gone.")
        return session

    def _images(self) -> list[Image]:
        """Return what lies on the H&E: every picture but a scan that is shown registered too."""
        session = self._known
        scan = None if session.aligned is None else session.aligned.moving.layer()
        return [layer for layer in images(session.viewer) if layer is not scan]

    def _choose_pair(self) -> bool:
        """Take the H&E and what is first to be seen beside it; tell whether there is any."""
        base, layers = base_of(self._known), self._images()
        other = next_to_see(layers, [base], base)
        if base is None or other is None or other is base:
            return False
        self._pair = weakref.ref(base), weakref.ref(other)
        return True

    def _apply(self) -> None:
        if self.pair is None or self.way is None:
            return
        base = base_of(self._known)
        self._solo.show([layer for one in self.pair for layer in over_base(one, base)])
        self._mixture.begin(self.pair, self.way, base)
        self._offer()
        self._draw()

    def _draw(self) -> None:
        """Show the present share."""
        if self.pair is None or self.way is None:
            return
        layers = self._known.viewer.layers
        first, second = (layers.index(layer) for layer in self.pair)
        base, on_top = base_of(self._known), second > first
        self._mixture.draw(self.pair, self.way, self.share, base, second_on_top=on_top)
        self.head.show_share(self.share)
        self._known.canvas.label()

    def _offer(self) -> None:
        layers = self._images()
        if self.pair is not None and self.way is not None:
            places = [layers.index(layer) for layer in self.pair]
            self.head.offer([str(layer.name) for layer in layers], places, self.way)

    def _on_pair_wanted(self, first: int, second: int) -> None:
        """See two layers that were chosen; one that is wanted on both sides changes its side."""
        layers = self._images()
        if first == second:
            self.swap()
        else:
            self.set_pair(layers[first], layers[second])

    def _on_connected(self, layer: Image) -> None:
        """Let another model's answer take the place of the former one's."""
        if self.pair is not None and self.way is not None:
            first, second = (layer if replaces(layer, one) else one for one in self.pair)
            if layer in (first, second) and first is not second:
                self.set_pair(first, second)

    def _on_resized(self, _event: object = None) -> None:
        self._draw()

    def _on_layers_changed(self, _event: Any) -> None:
        if self.way is None:
            return
        if self.pair is None:
            self.stop()
        else:
            self._offer()
            self._draw()
