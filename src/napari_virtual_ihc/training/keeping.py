"""What a run leaves behind: events, checkpoints, samples, validations, and the model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.finishing import Outcome, finish

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.training.checkpoints import Checkpoint
    from napari_virtual_ihc.training.data import PairFolder
    from napari_virtual_ihc.training.settings import TrainingSettings
    from napari_virtual_ihc.training.state import State
    from napari_virtual_ihc.training.validation import Validator, Verdict
    from napari_virtual_ihc.training.world import World


class Keeper:
    """Writes the run folder, in the first process; the others only give what they have.

    Parameters
    ----------
    run
        The folder.
    settings
        Of the run.
    state
        What is trained.
    world
        The processes that train it.
    validator
        Judges it.
    """

    def __init__(
        self,
        run: RunFolder,
        settings: TrainingSettings,
        state: State,
        world: World,
        validator: Validator,
    ) -> None:
        self.run = run
        self._settings = settings
        self._state = state
        self._world = world
        self._validator = validator
        self._saved = (0, time.monotonic())
        self._best: float | None = None

    def tell(self, event: dict[str, Any]) -> None:
        """Append an event."""
        if self._world.place.first:
            self.run.append_event(event)

    def restore(self) -> int:
        """Put the state back to the last checkpoint; return the steps done.

        Raises
        ------
        JobError
            If no checkpoint can be read, or it does not fit.
        """
        folder = self.run.checkpoints_dir
        if self._world.place.first:
            checkpoints.sweep(folder)
            self._best = checkpoints.best_merit(folder)
        found = self._world.from_first(lambda: checkpoints.latest(folder))
        step = 0 if found is None else found.step
        if found is None:
            self._start_from_another()
        else:
            self._state.restore(found, self._world.place.rank)
        self._saved = (step, time.monotonic())
        return step

    def _start_from_another(self) -> None:
        start = self._settings.start
        if start is not None:
            self._state.restore_weights(self._world.from_first(lambda: last_of(start)))

    @property
    def late(self) -> bool:
        """Whether the last checkpoint is too long ago, by this process's clock."""
        return time.monotonic() - self._saved[1] > self._settings.checkpoint_seconds

    def after(self, done: int, steps: int) -> None:
        """Do what is due after ``done`` of ``steps`` steps."""
        settings = self._settings
        if done - self._saved[0] >= settings.checkpoint_steps:
            self.checkpoint(done)
        if done % settings.sample_steps == 0 or done == steps:
            self.sample(done)
        if done % settings.validation_steps == 0 and done < steps:
            self.validate(done)

    def checkpoint(self, done: int) -> None:
        """Save the state; a full disk is told, and the former checkpoint stays."""
        self._saved = (done, time.monotonic())
        mine = {key: value.detach().cpu() for key, value in self._state.method.memory.items()}
        memories = self._world.gather(mine)
        if self._world.place.first and self._save(self._state.capture(done, memories)):
            self.tell({"event": "checkpoint", "step": done})

    def _save(self, checkpoint: Checkpoint) -> bool:
        try:
            checkpoints.save(self.run.checkpoints_dir, checkpoint)
        except OSError as error:
            told = {"event": "checkpoint_failed", "step": checkpoint.step, "message": str(error)}
            self.tell(told)
            return False
        return True

    def sample(self, done: int) -> None:
        """Write the sample picture of a step."""
        if self._world.place.first:
            file = self.run.samples_dir / f"step-{done:09d}.png"
            self._validator.sample(self._state.artifact(), file)
            self.tell({"event": "sample", "step": done, "file": file.name})

    def validate(self, done: int) -> tuple[ValidationFigure, ...]:
        """Judge the present weights, and keep them where they are the best so far."""
        if not self._world.place.first:
            return ()
        verdict = self._validator.judge(self._state.artifact())
        self.tell({"event": "validation", "step": done} | verdict.event())
        self._keep_best(done, verdict)
        return verdict.figures

    def _keep_best(self, done: int, verdict: Verdict) -> None:
        merit = verdict.merit
        if merit is None or (self._best is not None and merit <= self._best):
            return
        figures = tuple(figure.model_dump() for figure in verdict.figures)
        captured = self._state.capture(done, [self._state.method.memory])
        if self._save(replace(captured, merit=merit, figures=figures)):
            self._best = merit
            self.tell({"event": "best", "step": done, "merit": merit})

    def finish(self, steps: int, data: PairFolder, mpp: float, ran: dict[str, Any]) -> None:
        """Write the last checkpoint and the model, from the last weights or the best.

        Parameters
        ----------
        steps
            Steps done.
        mpp
            Scale of the pictures as the method saw them, µm/px.
        ran
            Device, precision and processes, for the card.
        """
        self.checkpoint(steps)
        figures = self.validate(steps)
        if self._world.place.first:
            outcome = self._outcome(steps, figures, ran)
            settings = self._settings.model_copy(update={"steps": steps})
            method = self._state.method
            model = finish(self.run.model_dir, method, data, settings, mpp, outcome)
            self.tell({"event": "finished", "step": steps, "model": model.name})

    def _outcome(
        self, steps: int, figures: tuple[ValidationFigure, ...], ran: dict[str, Any]
    ) -> Outcome:
        kept = {"weights": "last", "weights_step": steps, "averaged": self._averaged}
        if self._settings.finish_with == "last":
            return Outcome(self._state.artifact(), figures, ran | kept)
        found = checkpoints.best(self.run.checkpoints_dir)
        if found is None:
            note = "No validation figure could be told, so these are the last weights."
            return Outcome(self._state.artifact(), figures, ran | kept, (note,))
        self._state.restore_weights(found)
        judged = tuple(ValidationFigure.model_validate(figure) for figure in found.figures)
        note = f"The weights are the best by validation, those after step {found.step} of {steps}."
        kept |= {"weights": "best", "weights_step": found.step}
        return Outcome(self._state.artifact(), judged, ran | kept, (note,))

    @property
    def _averaged(self) -> bool:
        return self._state.average is not None


def last_of(start: Path) -> Checkpoint:
    """Return the last checkpoint of another run.

    Raises
    ------
    JobError
        If it has none.
    """
    other = RunFolder.open(start)
    found = checkpoints.latest(other.checkpoints_dir)
    if found is None:
        raise JobError(f"{other.path} holds no checkpoint to start from.")
    return found
