"""What is wished of a run between steps: by its owner, by a signal, by a window beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_virtual_ihc.jobs import courtesy
from napari_virtual_ihc.jobs.control import Control

if TYPE_CHECKING:
    import torch

    from napari_virtual_ihc.training.keeping import Keeper
    from napari_virtual_ihc.training.settings import TrainingSettings
    from napari_virtual_ihc.training.watch import Interruption
    from napari_virtual_ihc.training.world import World

_PAUSE_S = 0.2
_BUSY_S = 30.0
_WAY_S = 5.0
"""Longest wait, per step, for a window that has the device first."""


class Wishes:
    """Hears wishes and acts on them, in all processes alike.

    Parameters
    ----------
    keeper
        Of the run; saves before a pause, and where the last checkpoint is too long ago.
    settings
        Say who goes first on a shared device, until the run's control file does.
    world
        The processes; a wish heard by one is everyone's.
    interruption
        Hears signals.
    device
        Where this process trains.
    """

    def __init__(
        self,
        keeper: Keeper,
        settings: TrainingSettings,
        world: World,
        interruption: Interruption,
        device: torch.device,
    ) -> None:
        self._keeper = keeper
        self._priority = settings.gpu_priority
        self._world = world
        self._interruption = interruption
        self._device = f"{device.type}-{device.index or 0}"

    def to_stop(self, step: int) -> bool:
        """Do what is wished before ``step``, a pause included; return whether to stop there."""
        paused = False
        while True:
            stop, pause, save, viewer_first = self._world.any(self._heard())
            if save or (pause and not paused):
                self._keeper.checkpoint(step)
            if stop or not pause:
                break
            if not paused:
                self.release_device()
                self._keeper.tell({"event": "paused", "step": step})
            paused = True
            time.sleep(_PAUSE_S)
        if paused and not stop:
            self._keeper.tell({"event": "continued", "step": step})
        if not stop:
            self._share_device(viewer_first)
        return stop

    def _heard(self) -> tuple[bool, bool, bool, bool]:
        first = self._world.place.first
        control = self._keeper.run.control() if first else Control()
        stop = self._interruption.asked or control.wish == "stop"
        viewer_first = first and (control.priority or self._priority) == "viewer"
        return stop, control.wish == "pause", first and self._keeper.late, viewer_first

    def _share_device(self, viewer_first: bool) -> None:
        """Claim the device for the next step, or let a window on it go first."""
        if viewer_first:
            self.release_device()
            courtesy.wait_while_busy("viewer", self._device, _WAY_S, self._interrupted)
        else:
            courtesy.say_busy("training", self._device, _BUSY_S)

    def release_device(self) -> None:
        """Claim the device no longer."""
        courtesy.say_busy("training", self._device, 0.0)

    def _interrupted(self) -> bool:
        return self._interruption.asked
