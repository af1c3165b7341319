"""Click to translate: regions drawn, clicked or seen become layers of their own, with numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.tiles.derive import halve
from napari_virtual_ihc.widgets.camera import Box, to_slide, visible_box
from napari_virtual_ihc.widgets.layers import REGION, VIRTUAL, image_arguments, region_of
from napari_virtual_ihc.widgets.outline_width import add_outlines
from napari_virtual_ihc.widgets.services import MODELS
from napari_virtual_ihc.widgets.translate.model import left_text
from napari_virtual_ihc.widgets.translate.region_job import RegionJob, RegionPicture
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Shapes
    from numpy.typing import NDArray

    from napari_virtual_ihc.widgets.translate.control import Translation
    from napari_virtual_ihc.widgets.translate.shown import Shown

FIELD_UM = 400.0
"""Side of the square that a click translates."""
_POLL_MS = 120
_NOT_READY = "Switch Live on first: regions are made by the model that is loaded then."
_OVERVIEW = 512


class Regions(QObject):
    """Turns rectangles and outlines into layers at full quality.

    Parameters
    ----------
    translation
        Whose model makes them; its state shows their progress and numbers.
    """

    def __init__(self, translation: Translation) -> None:
        super().__init__()
        self._translation = translation
        self._session = translation.session
        self._state = translation.state
        self._count = 0
        self._started = 0.0
        self._jobs: list[tuple[RegionJob, Shown]] = []
        self._work: Work[RegionPicture] | None = None
        self._shapes: Shapes | None = None
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self._look)
        self._session.region_requested.connect(self.translate_view)
        self._session.viewer.layers.selection.events.active.connect(self._on_layer_selected)

    def request(self, how: str) -> None:
        """Do what a button of the page says: draw, click, stop clicking, or view."""
        if how == "draw":
            self._start_drawing()
        elif how == "click":
            self._session.viewer.mouse_drag_callbacks.append(self._on_canvas_clicked)
        elif how == "stop clicking":
            self._stop_clicking()
        else:
            self.translate_view()

    def translate_view(self) -> None:
        """Translate what is on screen."""
        self.translate(visible_box(self._session.viewer))

    def translate(self, box: Box, outline: NDArray[np.floating] | None = None) -> None:
        """Translate a rectangle (µm), or the polygon ``outline`` (n, 2) inside it."""
        shown = self._translation.shown
        if shown is None:
            self._state.error = _NOT_READY
            return
        services = self._session.services
        name = f"Region {self._count + 1}"
        try:
            job = RegionJob(
                name,
                shown.prepared.producer,
                services.service(MODELS),
                services.cache,
                box,
                outline,
            )
        except VirtualIhcError as error:
            self._state.error = str(error)
            return
        self._count += 1
        self._jobs.append((job, shown))
        if len(self._jobs) == 1:
            self._begin()

    def cancel(self) -> None:
        """Drop the regions that are not finished."""
        self._poll.stop()
        if self._work is not None:
            self._work.cancel()
            self._work = None
        for job, _ in self._jobs:
            job.close()
        self._jobs.clear()
        self._session.busy.discard("region")

    def close(self) -> None:
        """Stop listening, and drop what is not finished."""
        self.cancel()
        self._stop_clicking()

    def _begin(self) -> None:
        self._session.busy.add("region")
        self._jobs[0][0].start()
        self._started = time.monotonic()
        self._poll.start()

    def _look(self) -> None:
        job, _ = self._jobs[0]
        done, total = job.progress()
        left = self._left(done, total)
        self._translation.show_activity(f"{job.name}: translating{left}", done, total)
        if done == total:
            self._poll.stop()
            self._work = Work(lambda _progress: job.picture(), "puts a region together")
            self._work.finished.connect(self._on_finished)
            self._work.failed.connect(self._on_failed)
            self._work.start()

    def _left(self, done: int, total: int) -> str:
        """Return words for step and time left of the first region."""
        step, steps = self._jobs[0][1].prepared.steps() or (0, 1)
        elapsed = time.monotonic() - self._started
        stepping = f", step {step} of {steps}" if steps > 1 else ""
        return stepping + left_text(elapsed, (done + step / steps) / total)

    def _on_finished(self, picture: RegionPicture) -> None:
        _, shown = self._jobs[0]
        self._next()
        self._add_layer(picture, shown)
        self._state.numbers = picture.numbers

    def _on_failed(self, sentence: str) -> None:
        self._next()
        self._state.error = sentence

    def _next(self) -> None:
        job, _ = self._jobs.pop(0)
        job.close()
        self._work = None
        self._translation.show_activity("", 0, 0)
        if self._jobs:
            self._begin()
        else:
            self._session.busy.discard("region")

    def _add_layer(self, picture: RegionPicture, shown: Shown) -> None:
        info = shown.info
        metadata = {VIRTUAL: info, REGION: picture.numbers}
        name = f"{picture.name} · {info.marker} virtual"
        arguments = image_arguments(name, picture.mpp, metadata)
        half = picture.mpp / 2
        arguments["translate"] = (picture.top + half, picture.left + half)
        self._session.viewer.add_image(_levels(picture.pixels), **arguments)

    def _start_drawing(self) -> None:
        layers = self._session.viewer.layers
        if self._shapes is None or self._shapes not in layers:
            self._shapes = add_outlines(self._session.viewer, "Regions", "#1f4fd8")
            self._shapes.events.data.connect(self._on_shapes_changed)
        layers.selection.active = self._shapes
        self._shapes.mode = "add_rectangle"

    def _on_shapes_changed(self, event: Any) -> None:
        if self._shapes is None or str(event.action) != "added":
            return
        corners = np.asarray(self._shapes.data[-1])[:, -2:]
        outline = corners if self._shapes.shape_type[-1] in ("polygon", "ellipse") else None
        (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
        self.translate(Box(top, left, bottom, right), outline)

    def _on_canvas_clicked(self, _viewer: object, event: Any) -> Iterator[None]:
        y, x = to_slide(self._session.viewer, *event.position[-2:])
        yield
        if event.type == "mouse_move":
            return
        half = FIELD_UM / 2
        self.translate(Box(y - half, x - half, y + half, x + half))

    def _stop_clicking(self) -> None:
        callbacks = self._session.viewer.mouse_drag_callbacks
        if self._on_canvas_clicked in callbacks:
            callbacks.remove(self._on_canvas_clicked)

    def _on_layer_selected(self, event: Any) -> None:
        numbers = None if event.value is None else region_of(event.value)
        if numbers is not None:
            self._state.numbers = numbers


def _levels(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return a multiscale picture, two levels at least, the last of at most 512 px."""
    levels = [pixels, halve(pixels)]
    while max(levels[-1].shape[:2]) > _OVERVIEW:
        levels.append(halve(levels[-1]))
    return levels
