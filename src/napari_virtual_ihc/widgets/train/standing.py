"""How far a run is: read once from the end of its events, then from what is new in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.jobs.progress import seconds_per_step
from napari_virtual_ihc.widgets.train.model import Figure

if TYPE_CHECKING:
    from napari_virtual_ihc.jobs.run_folder import RunFolder, State

_KINDS = ("started", "losses", "validation")


class Standing:
    """Steps, time left and newest validation figure of one run.

    Used by one thread at a time.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        file = run.events_file
        self._offset = file.stat().st_size if file.exists() else 0
        self._last: dict[str, dict[str, Any] | None] = {kind: run.last(kind) for kind in _KINDS}

    def update(self) -> None:
        """Take in what happened since."""
        events, self._offset = self._run.events_since(self._offset)
        self._last |= {event["event"]: event for event in events if event["event"] in _KINDS}

    @property
    def step(self) -> int:
        """Steps done."""
        last = self._last["losses"]
        return 0 if last is None else int(last["step"]) + 1

    @property
    def steps(self) -> int | None:
        """Steps in all, None where the run has not begun."""
        began = self._last["started"]
        return None if began is None else int(began["steps"])

    @property
    def figure(self) -> Figure | None:
        """The newest validation figure, the one the best weights are chosen by."""
        last = self._last["validation"]
        figures = last.get("figures") if last else None
        if not figures:
            return None
        return Figure(figures[0]["name"], figures[0]["value"], figures[0]["protocol"])

    def seconds_left(self, state: State) -> float | None:
        """Return the time left at the present pace, None where it does not run."""
        if self.steps is None or state != "running":
            return None
        pace = seconds_per_step(self._run)
        return None if pace is None else (self.steps - self.step) * pace
