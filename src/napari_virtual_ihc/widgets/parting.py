"""Registered layers go when one of their slides goes, or has another scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.widgets.layers import ONTO, WARPED

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


class Parting(QObject):
    """Takes layers off the viewer once it has done what made them ownerless.

    Parameters
    ----------
    session
        The window.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._ownerless: list[Layer] = []
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._remove)

    def part(self, entry: SlideEntry) -> None:
        """Take off all layers that show this slide on another one, or another one on it."""
        self._ownerless += [one for one in self._session.viewer.layers if _joins(one, entry)]
        self._timer.start()

    def _remove(self) -> None:
        """Remove what is still there, and show again the slides that were hidden for it."""
        gone, self._ownerless = self._ownerless, []
        for layer in gone:
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)
                self._show_original(layer.metadata[WARPED])

    def _show_original(self, fingerprint: str) -> None:
        for entry in self._session.originals():
            original = entry.layer()
            if original is not None and _is(entry, fingerprint):
                original.visible = True


def _joins(layer: Layer, entry: SlideEntry) -> bool:
    return any(_is(entry, layer.metadata.get(key, "")) for key in (WARPED, ONTO))


def _is(entry: SlideEntry, fingerprint: str) -> bool:
    """Whether this is the slide; one not read yet is no part of a registration."""
    return entry.facts is not None and entry.facts.fingerprint == fingerprint
