"""The loop that all methods share: steps, events, samples, checkpoints, pause, stop, resume."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal

import torch
from lightning_fabric import Fabric

from napari_virtual_ihc.errors import DataError, JobError
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.recipe import Recipe, read_recipe
from napari_virtual_ihc.methods.registry import method_named
from napari_virtual_ihc.networks.registry import GeneratorConfig, configure
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.engine import FabricEngine, Failure, Interruption, accelerator
from napari_virtual_ihc.training.finishing import finish
from napari_virtual_ihc.training.magnification import enlarger
from napari_virtual_ihc.training.sampling import Sampler
from napari_virtual_ihc.training.validation import Validation, Validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.models.card import ValidationFigure
    from napari_virtual_ihc.training.settings import TrainingSettings

Outcome = Literal["finished", "stopped"]
_PAUSE_S = 0.2


class Trainer:
    """One training in its run folder, from its last checkpoint to its model.

    Parameters
    ----------
    run
        The folder; its checkpoints decide where the training goes on.
    settings
        What to train.

    Raises
    ------
    DataError
        If the data cannot be used, or differ from those the run began with.
    """

    def __init__(self, run: RunFolder, settings: TrainingSettings) -> None:
        kind = method_named(settings.method)
        self.run = run
        self.settings = settings
        self.recipe: Recipe = read_recipe(kind.recipe_type, settings.recipe)
        self.data = open_data(settings, self.recipe)
        self.steps = settings.steps or self._paper_steps()
        self.fabric = Fabric(accelerator=accelerator(settings.device), devices=1)
        self.method: Method = kind.build(self.recipe, settings.seed)
        torch.manual_seed(settings.seed)
        self._adopt()
        self.engine = FabricEngine(self.fabric, self.recipe.clip_norm)
        enlarge = enlarger(self.recipe.magnification, self.fabric.device)
        self.sampler = Sampler(self.data, self.recipe, settings.seed, self.steps, enlarge)
        self.validation = self._validator()
        self._saved = (0, time.monotonic())
        self._stop = Interruption()

    def _validator(self) -> Validator:
        config = configure(*self.method.architecture())
        assert isinstance(config, GeneratorConfig)
        return Validation(
            self.data.validation or self.data.train[:1],
            self.settings.mpp,
            self.recipe.load_size,
            self.settings.validation_pairs,
            config.stride,
        )

    def _paper_steps(self) -> int:
        """Return the steps of all epochs; an epoch draws as many crops as there are pairs."""
        epoch = max(1, len(self.data.train) // self.recipe.batch_size)
        return self.recipe.total_epochs * epoch

    def _adopt(self) -> None:
        """Put networks and optimisers on the device."""
        for letter, network in self.method.networks.items():
            self.method.networks[letter] = channels_last(network.to(self.fabric.device))

    def train(self, report: Callable[[int, int], None] | None = None) -> Outcome:
        """Train to the end, or until asked to stop; the run folder tells which.

        Parameters
        ----------
        report
            Called with steps done and steps in all.

        Raises
        ------
        JobError
            If a loss is not a number; the sentence names step, term and files.
        """
        self.run.claim()
        with Failure(self.run), self._stop:
            self._require_same_data()
            start = self._restore()
            self._began(start)
            for batch in self.sampler.batches(start):
                if self._asked_to_stop(batch.step):
                    return self._stopped(batch.step)
                self._step(batch)
                self._after(batch.step + 1)
                if report is not None:
                    report(batch.step + 1, self.steps)
            return self._finished()

    def _require_same_data(self) -> None:
        began = self.run.last("started")
        if began is not None and began["data"] != self.data.fingerprint:
            root = self.data.root
            raise DataError(f"{root} has changed since this training began; start a new run.")

    def _restore(self) -> int:
        found = checkpoints.latest(self.run.checkpoints_dir)
        if found is None:
            self._start_from_another()
            return 0
        checkpoints.restore(self.method, found)
        return found.step

    def _start_from_another(self) -> None:
        if self.settings.start is None:
            return
        other = RunFolder.open(self.settings.start)
        found = checkpoints.latest(other.checkpoints_dir)
        if found is None:
            raise JobError(f"{other.path} holds no checkpoint to start from.")
        checkpoints.restore_weights(self.method, found)

    def _began(self, start: int) -> None:
        began = {"event": "started", "step": start, "steps": self.steps}
        began["data"] = self.data.fingerprint
        self.run.append_event(began | {"device": str(self.fabric.device)})
        for finding in self.data.findings:
            content = {"kind": finding.kind, "name": finding.name, "message": finding.message}
            self.run.append_event({"event": "finding"} | content)
        self._saved = (start, time.monotonic())

    def _step(self, batch: Batch) -> None:
        began = time.monotonic()
        factor = self.recipe.lr_factor(batch.epoch)
        for optimiser in self.method.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * factor
        losses = self.method.training_step(self._on_device(batch), self.engine)
        values = {name: float(value) for name, value in losses.items()}
        self._require_numbers(values, batch)
        event = {"event": "losses", "step": batch.step, "epoch": batch.epoch, "losses": values}
        seconds = round(time.monotonic() - began, 5)
        self.run.append_event(event | {"seconds": seconds, "lr_factor": factor})

    def _on_device(self, batch: Batch) -> Batch:
        he, ihc = (
            image.to(self.fabric.device, memory_format=torch.channels_last)
            for image in (batch.he, batch.ihc)
        )
        return Batch(he, ihc, batch.names, batch.step, batch.epoch, batch.generator)

    def _require_numbers(self, values: dict[str, float], batch: Batch) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                files = ", ".join(batch.names)
                raise JobError(
                    f"Loss {name!r} is not a number at step {batch.step}, with {files}; "
                    f"the last checkpoint is unharmed."
                )

    def _after(self, done: int) -> None:
        settings = self.settings
        last, when = self._saved
        late = time.monotonic() - when > settings.checkpoint_seconds
        if done - last >= settings.checkpoint_steps or late:
            self._checkpoint(done)
        if done % settings.sample_steps == 0 or done == self.steps:
            self._sample(done)
        if done % settings.validation_steps == 0 and done < self.steps:
            self._validate(done)

    def _checkpoint(self, done: int) -> None:
        """Save the state; a full disk is told, and the former checkpoint stays."""
        self._saved = (done, time.monotonic())
        try:
            checkpoints.save(self.run.checkpoints_dir, checkpoints.capture(self.method, done))
        except OSError as error:
            told = {"event": "checkpoint_failed", "step": done, "message": str(error)}
            self.run.append_event(told)
        else:
            self.run.append_event({"event": "checkpoint", "step": done})

    def _product(self) -> nn.Module:
        return self.validation.prepare(self.method, self.fabric.device)

    def _sample(self, done: int) -> None:
        file = self.run.samples_dir / f"step-{done:09d}.png"
        self.validation.sample(self._product(), file)
        self.run.append_event({"event": "sample", "step": done, "file": file.name})

    def _validate(self, done: int) -> tuple[ValidationFigure, ...]:
        verdict = self.validation.judge(self._product())
        self.run.append_event({"event": "validation", "step": done} | verdict.told)
        return verdict.figures

    def _asked_to_stop(self, step: int) -> bool:
        paused = False
        while not self._stop.asked and self.run.wish() == "pause":
            if not paused:
                self._checkpoint(step)
                self.run.append_event({"event": "paused", "step": step})
            paused = True
            time.sleep(_PAUSE_S)
        if paused and not self._stop.asked:
            self.run.append_event({"event": "continued", "step": step})
        return self._stop.asked or self.run.wish() == "stop"

    def _stopped(self, step: int) -> Outcome:
        self._checkpoint(step)
        self.run.append_event({"event": "stopped", "step": step})
        return "stopped"

    def _finished(self) -> Outcome:
        self._checkpoint(self.steps)
        figures = self._validate(self.steps)
        settings = self.settings.model_copy(update={"steps": self.steps})
        model: Path = finish(self.run.model_dir, self.method, self.data, settings, figures)
        self.run.append_event({"event": "finished", "step": self.steps, "model": model.name})
        return "finished"


def open_data(settings: TrainingSettings, recipe: Recipe) -> PairFolder:
    """Open and check the data of a run."""
    crop = recipe.crop_size if recipe.load_size is None else 1
    return PairFolder.open(settings.data, mpp=settings.mpp, marker=settings.marker, crop=crop)


def channels_last(network: nn.Module) -> nn.Module:
    """Return ``network`` with its convolution weights laid out channels last, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
