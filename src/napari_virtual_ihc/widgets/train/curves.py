"""Curves of a run, read while it grows, and thinned so that long runs stay quick to draw."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.widgets.train.model import Curve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.jobs.run_folder import RunFolder

POINTS = 400
_BLOCK = 1 << 22


class Series:
    """Values by ascending step, in compact memory."""

    def __init__(self) -> None:
        self.protocol = ""
        self._steps = array("q")
        self._values = array("d")

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self._steps)

    def add(self, step: int, value: float) -> None:
        """Append a value; one of the same or a later step is replaced."""
        self.cut(step)
        self._steps.append(step)
        self._values.append(value)

    def cut(self, step: int) -> None:
        """Forget what is at ``step`` and behind it."""
        if self._steps and self._steps[-1] >= step:
            place = bisect_left(self._steps, step)
            del self._steps[place:], self._values[place:]

    def curve(self, name: str) -> Curve:
        """Return at most `POINTS` points, each the mean of as many neighbours."""
        steps, values = thinned(np.array(self._steps, float), np.array(self._values))
        return Curve(name, steps, values, self._values[-1], self.protocol)


def thinned(
    steps: NDArray[np.float64], values: NDArray[np.float64], points: int = POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means over runs of neighbours, at most ``points`` of them."""
    if len(steps) <= points:
        return steps, values
    starts = np.linspace(0, len(steps), points, endpoint=False).astype(int)
    counts = np.diff(starts, append=len(steps))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


class Curves:
    """The loss terms and validation figures of one run.

    Used by one thread at a time.

    Parameters
    ----------
    run
        Whose events are read.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.runs_on = ""
        self._losses: defaultdict[str, Series] = defaultdict(Series)
        self._figures: defaultdict[str, Series] = defaultdict(Series)
        self._offset = 0
        self._curves: tuple[Curve, ...] = ()

    def read(self, cancelled: Callable[[], bool]) -> tuple[Curve, ...]:
        """Read what is new and return the curves; the very same ones where nothing is."""
        before = self._offset
        while not cancelled():
            events, offset = self.run.events_since(self._offset, _BLOCK)
            if offset == self._offset:
                break
            self._offset = offset
            for event in events:
                self._take(event)
        if self._offset != before:
            self._curves = tuple(self._drawn())
        return self._curves

    def _drawn(self) -> list[Curve]:
        both = (*self._figures.items(), *self._losses.items())
        return [series.curve(name) for name, series in both if len(series)]

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "losses":
            for name, value in event["losses"].items():
                self._losses[name].add(event["step"], value)
        elif kind == "validation":
            for figure in event.get("figures", ()):
                series = self._figures[figure["name"]]
                series.protocol = figure["protocol"]
                series.add(event["step"], figure["value"])
        elif kind == "started":
            self._go_back_to(event["step"])
            words = (event.get("device"), event.get("precision"))
            self.runs_on = " · ".join(str(word) for word in words if word)

    def _go_back_to(self, step: int) -> None:
        """Forget what a resumed run repeats, the steps behind its last checkpoint."""
        for series in self._losses.values():
            series.cut(step)
        for series in self._figures.values():
            series.cut(step + 1)
