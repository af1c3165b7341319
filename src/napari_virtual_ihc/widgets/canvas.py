"""What lies over napari's canvas: banner, magnification, scale bar, overview, legend."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets import overlays
from napari_virtual_ihc.widgets.camera import current_magnification, look_at, view_corners
from napari_virtual_ihc.widgets.legend import Legend
from napari_virtual_ihc.widgets.outline_width import fit_outlines
from napari_virtual_ihc.widgets.overview import Overview
from napari_virtual_ihc.widgets.translate.model import magnification_text
from napari_virtual_ihc.widgets.virtual import banner_in_view, heat_in_view
from napari_virtual_ihc.widgets.window import canvas_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.qt import QtViewer

    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

_CALM_MS = 80
_LABEL_MS = 150


class CanvasDressing(QObject):
    """Keeps overlays and overview in step with the camera of one viewer.

    Parameters
    ----------
    viewer, window
        The viewer and the canvas part of its window.
    """

    camera_moved = Signal()
    """The camera moved or the canvas changed its size."""
    camera_rested = Signal()
    """Some time has passed since the last move."""

    def __init__(self, viewer: ViewerModel, window: QtViewer) -> None:
        super().__init__(window)
        self._viewer_ref = weakref.ref(viewer)
        self.overview = Overview(canvas_of(window))
        self.overview.looked_at.connect(self._on_looked_at)
        self.legend = Legend(canvas_of(window))
        self._overview_wanted = True
        self._in_um = False
        self._calm = QTimer(self, singleShot=True, interval=_CALM_MS)
        self._calm.timeout.connect(self._on_rested)
        self._label_timer = QTimer(self, singleShot=True, interval=_LABEL_MS)
        self._label_timer.timeout.connect(self.label)
        camera = viewer.scene.camera.events
        camera.center.connect(self._on_moved)
        camera.zoom.connect(self._on_moved)
        camera.angles.connect(self._on_moved)
        viewer.canvas.events.size.connect(self._on_resized)

    @property
    def _viewer(self) -> ViewerModel:
        viewer = self._viewer_ref()
        if viewer is None:
            raise RuntimeError("The viewer of this canvas is gone.")
        return viewer

    def resting(self) -> bool:
        """Whether the camera rests and the canvas says what is in it now."""
        return not (self._calm.isActive() or self._label_timer.isActive())

    def show_slide(self, entry: SlideEntry | None) -> None:
        """Show overview, scale bar and magnification for the chosen slide."""
        facts = None if entry is None else entry.facts
        self._in_um = entry is not None and entry.slide.mpp is not None
        if facts is not None:
            self.overview.set_picture(facts.overview[..., :3], facts.size)
        self.overview.setVisible(facts is not None and self._overview_wanted)
        if entry is not None:
            overlays.show_scale_bar(self._viewer)
        self._on_moved()

    def label(self, _event: object = None) -> None:
        """Say what is virtual on screen in the banner, and what the colours of a map mean."""
        if not isalive(self.legend):  # the window is going
            return
        overlays.show_banner(self._viewer, banner_in_view(self._viewer))
        heat = heat_in_view(self._viewer)
        self.legend.show_scale(None if heat is None else heat.scale)

    def label_soon(self) -> None:
        """Do so when what comes now has come."""
        self._label_timer.start()

    def toggle_overview(self) -> None:
        """Hide the overview, or show it again."""
        self._overview_wanted = not self._overview_wanted
        self.overview.setVisible(self._overview_wanted and self.overview.has_picture())

    def _on_looked_at(self, y: float, x: float) -> None:
        look_at(self._viewer, y, x)

    def _on_moved(self, _event: object = None) -> None:
        self.overview.set_view(view_corners(self._viewer))
        text = magnification_text(current_magnification(self._viewer)) if self._in_um else ""
        overlays.show_magnification(self._viewer, text)
        self.label_soon()
        self.camera_moved.emit()
        self._calm.start()

    def _on_rested(self) -> None:
        viewer = self._viewer_ref()
        if viewer is not None:
            fit_outlines(viewer)
        self.camera_rested.emit()

    def _on_resized(self, _event: object = None) -> None:
        self.overview.place()
        self.legend.place()
        self._on_moved()
