"""Where the canvases of a window stand: in one row, or in two where there are more than two."""

from __future__ import annotations

import weakref
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSplitter

from napari_virtual_ihc.widgets.window import frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.qt import QtViewer
    from qtpy.QtWidgets import QWidget

MOST = 4
_BESIDE = 2
_SHARE = 1000


def rows_of(count: int, *, grid: bool) -> tuple[int, ...]:
    """Return how many canvases stand in each row, from the top; ``grid`` has two in one at most."""
    if not grid or count <= _BESIDE:
        return (count,)
    return _BESIDE, count - _BESIDE


class Tiling:
    """Rows of canvases in a window, all of one height; borders can be dragged.

    The window's own canvas is the first of the first row and is put there when it gets company.

    Parameters
    ----------
    window
        The canvas part of a window, held weakly.
    """

    def __init__(self, window: QtViewer) -> None:
        self._window = weakref.ref(window)
        self._rows: list[QSplitter] = []

    def place(self, others: Sequence[QWidget], *, grid: bool) -> None:
        """Have the window's own canvas and these others, in order, share the window evenly."""
        window = self._window()
        if window is None or not (others or self._rows):
            return
        canvases = [frame_of(window), *others]
        counts = rows_of(len(canvases), grid=grid)
        while len(self._rows) < len(counts):
            self._rows.append(self._new_row(window))
        for row, end, count in zip(self._rows, accumulate(counts), counts, strict=False):
            _fill(row, canvases[end - count : end])
        for row in self._rows[len(counts) :]:
            row.hide()
        window.setSizes([_SHARE] * len(self._rows))

    def _new_row(self, window: QtViewer) -> QSplitter:
        row = QSplitter(Qt.Orientation.Horizontal)
        row.splitterMoved.connect(partial(self._level, weakref.ref(row)))
        window.addWidget(row)
        return row

    def _level(self, moved: weakref.ref[QSplitter], _place: int, _handle: int) -> None:
        """Keep the columns of a grid straight when a border is dragged."""
        row = moved()
        for other in self._rows:
            if row is not None and other is not row and other.count() == row.count():
                other.setSizes(row.sizes())


def _fill(row: QSplitter, canvases: Sequence[QWidget]) -> None:
    for place, canvas in enumerate(canvases):
        if row.widget(place) is not canvas:
            row.insertWidget(place, canvas)
    row.setSizes([_SHARE] * len(canvases))
    row.show()
