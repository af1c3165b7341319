"""What the viewer benchmark pans over and how: a large slide, a path of views, a heartbeat."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.pyramid import halve
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.widgets.camera import look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from napari_virtual_ihc.slides.source import Pixels

MPP = 0.5
_LEVELS = 7
_TICK_MS = 5
_STEPS, _STEP_SECONDS = 12, 0.016


class RepeatedField:
    """A slide of any size made of one phantom field side by side, so that reading costs little.

    What is measured is the window, not how fast a phantom is drawn; addresses, and so tiles and
    cache keys, are all different.
    """

    def __init__(self, field: NDArray[np.uint8], side: int) -> None:
        self._fields = [field]
        for _ in range(_LEVELS - 1):
            self._fields.append(halve(self._fields[-1]))
        self.shapes = tuple((side >> n, side >> n) for n in range(_LEVELS))
        self.tile_shapes = ((512, 512),) * _LEVELS

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """See `TileSource.read`."""
        field = self._fields[level]
        rows = np.arange(y, y + h) % field.shape[0]
        cols = np.arange(x, x + w) % field.shape[1]
        return field[rows[:, None], cols[None]], np.ones((h, w), np.bool_)


def repeated_phantom(side: int, field_px: int, *, ihc: bool = False) -> Slide:
    """Return a slide of ``side`` px at 0.5 µm/px, H&E or its IHC, and draw its field."""
    phantom = Phantom(seed=11, height=field_px, width=field_px, mpp=MPP)
    field = phantom.ihc() if ihc else phantom.he()
    pixels = field.region(0.0, 0.0, field_px, field_px, MPP).pixels
    return Slide(
        f"phantom-{side}{'-ihc' if ihc else ''}", RepeatedField(pixels, side), MPP, trusted=True
    )


@dataclass(frozen=True)
class Place:
    """Where a view rests, (y, x) in µm."""

    y: float
    x: float


def places(side: int, block_px: int, free_px: int, seed: int = 0) -> Iterator[Place]:
    """Yield views for ever, each inside a block of its own, a block or two from the one before.

    Parameters
    ----------
    side, block_px
        Side of the slide and of the blocks computed together, px.
    free_px
        How far the middle of a view may be from that of its block without leaving it, px.
    """
    rng = np.random.default_rng(seed)
    across = side // block_px - 2
    for number in range(across * across):
        row, col = divmod(number, across)
        col = col if row % 2 == 0 else across - 1 - col
        shift = rng.uniform(-free_px, free_px, 2)
        y, x = (np.array([row + 1.5, col + 1.5]) * block_px + shift) * MPP
        yield Place(float(y), float(x))


class Heartbeat(QObject):
    """Gaps between the ticks of a 5 ms timer: how long the event loop was busy elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=_TICK_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Forget what was, and tick."""
        self.gaps = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> NDArray[np.float64]:
        """Stop ticking and return the gaps in milliseconds."""
        self._timer.stop()
        return np.array(self.gaps) * 1000

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


class Paints(QObject):
    """Tells when the canvas was last drawn."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.last = 0.0
        canvas.installEventFilter(self)

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Note the end of a paint event: the next event of the loop comes after it."""
        if event is not None and event.type() == QEvent.Type.Paint:
            QTimer.singleShot(0, self._drawn)
        return False

    def _drawn(self) -> None:
        self.last = time.perf_counter()


def run_events(seconds: float, until: Callable[[], bool] | None = None) -> float:
    """Run the event loop for ``seconds``, or until something is so; return the seconds it took."""
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        QApplication.processEvents()
        if until is not None and until():
            break
        time.sleep(0.001)
    return passed


def pan_to(viewer: Viewer, place: Place) -> None:
    """Move the camera there in a dozen steps at sixty a second."""
    y0, x0 = (float(value) for value in viewer.scene.camera.center[-2:])
    for step in range(1, _STEPS + 1):
        share = step / _STEPS
        look_at(viewer, y0 + share * (place.y - y0), x0 + share * (place.x - x0))
        run_events(_STEP_SECONDS)


def resident_mb() -> float:
    """Return the resident memory of this process, MB of a million bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
