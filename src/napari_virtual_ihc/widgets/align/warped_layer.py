"""The layer that shows the moving slide as it lies on the fixed one, and follows every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.widgets.aligned import Aligned
from napari_virtual_ihc.widgets.layers import WARPED, registered_layer
from napari_virtual_ihc.widgets.views.turning import turned
from napari_virtual_ihc.widgets.virtual import place_above

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.placement import Pose
    from napari_virtual_ihc.widgets.align.placing import Laid
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

_BUSY = "warping"


class WarpedLayer(QObject):
    """Adds the layer once, then exchanges what it shows; between, napari moves it as it is.

    Parameters
    ----------
    session
        The window.
    """

    shown = Signal()
    """What is on screen changed: :attr:`laid`."""
    resampling = Signal(bool)
    """Whether what was asked for is not on screen yet."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.laid: Laid | None = None
        self._next: Laid | None = None
        self._pose: Pose | None = None
        self._entry: SlideEntry | None = None

    def layer(self) -> Image | None:
        """Return the layer, None where there is none."""
        layer = None if self._entry is None else self._entry.layer()
        return layer if layer in self._session.viewer.layers else None

    def held(self) -> Affine:
        """Return how napari moves the layer beyond what it shows, fixed µm → fixed µm."""
        if self.laid is None or self._pose is None:
            return affine_map.identity()
        placement = self.laid.placement
        back = affine_map.inverse(placement.pose.affine(placement.base.fixed))
        return affine_map.compose(self._pose.affine(placement.base.fixed), back)

    def hold(self, pose: Pose) -> None:
        """Move the layer as it is, at once, to where ``pose`` wants it."""
        self._pose = pose
        self._place()

    def show(self, laid: Laid, fixed: SlideEntry, moving: SlideEntry) -> None:
        """Show a map's slide above the H&E, and let every page know it."""
        self._session.align(Aligned(laid.registration, fixed, moving, laid.slide))
        self.look(laid, fixed, moving)

    def look(self, laid: Laid, fixed: SlideEntry, moving: SlideEntry) -> None:
        """Show a map's slide once it is read; the original is hidden at first."""
        self._next = laid
        former = self._find(moving)
        if former is None:
            self._set_busy(True)
            self._add(laid, fixed, moving)
        elif former.slide.fingerprint == laid.slide.fingerprint and self.laid is not None:
            self._on_read()
        else:
            self._set_busy(True)
            self._watch(former)
            former.take(laid.slide)

    def forget(self) -> None:
        """Follow no more; the layer stays."""
        self._watch(None)
        self.laid = self._next = self._pose = None
        self._set_busy(False)

    def _set_busy(self, on: bool) -> None:
        (self._session.busy.add if on else self._session.busy.discard)(_BUSY)
        self.resampling.emit(on)

    def _find(self, moving: SlideEntry) -> SlideEntry | None:
        """Return the entry of the layer that shows ``moving`` registered."""
        for entry in self._session.slides():
            layer = entry.layer()
            if layer is not None and layer.metadata.get(WARPED) == moving.slide.fingerprint:
                return entry
        return None

    def _add(self, laid: Laid, fixed: SlideEntry, moving: SlideEntry) -> None:
        sides = laid.registration.moving.fingerprint, laid.registration.fixed.fingerprint
        data, arguments, _ = registered_layer(laid.slide, *sides)
        layer = Image(data, **arguments)
        self._session.viewer.add_layer(layer)
        place_above(self._session.viewer, fixed.layer(), layer)
        self._watch(self._find(moving))
        original = moving.layer()
        if original is not None:
            original.visible = False

    def _watch(self, entry: SlideEntry | None) -> None:
        if self._entry is not None:
            self._entry.read.disconnect(self._on_read)
        self._entry = entry
        if entry is not None:
            entry.read.connect(self._on_read)

    def _on_read(self, _entry: object = None) -> None:
        self._set_busy(False)
        self.laid = self._next
        self._place()
        self.shown.emit()

    def _place(self) -> None:
        layer = self.layer()
        if layer is not None:
            layer.affine = turned(self._session.viewer, matrix(self.held()))


def matrix(affine: Affine) -> Affine:
    """Return a 2 × 3 map as the 3 × 3 matrix that napari's layers take."""
    return np.vstack([affine, (0.0, 0.0, 1.0)])
