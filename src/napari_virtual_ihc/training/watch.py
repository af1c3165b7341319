"""How a run hears of signals and tells of failures."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.world import Place


@dataclass
class Interruption:
    """Turns SIGTERM and SIGINT into a wish to stop after the present step."""

    asked: bool = False
    _former: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Begin to listen; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._former[number] = signal.signal(number, self._hear)
        return self

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        """Put the former handlers back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Failure:
    """Writes the failure that leaves its block into the run's events, in the first process."""

    run: RunFolder
    place: Place

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note the failure; it is raised on."""
        if error is not None and self.place.first:
            message = str(error) or type(error).__name__
            self.run.append_event({"event": "failed", "message": message})
