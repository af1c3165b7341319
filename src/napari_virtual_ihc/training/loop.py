"""The loop that all methods share: steps, pause, stop, resume, in one process or in several."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from napari_virtual_ihc.errors import DataError, JobError
from napari_virtual_ihc.methods.recipe import Recipe, read_recipe
from napari_virtual_ihc.methods.registry import method_named
from napari_virtual_ihc.training.averaging import Average
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.engine import FabricEngine, average_buffers, scaler_of
from napari_virtual_ihc.training.examination import validator_of
from napari_virtual_ihc.training.keeping import Keeper
from napari_virtual_ihc.training.magnification import enlarger
from napari_virtual_ihc.training.precision import make_fabric, run_in
from napari_virtual_ihc.training.sampling import Sampler
from napari_virtual_ihc.training.scale import seen_mpp
from napari_virtual_ihc.training.state import State
from napari_virtual_ihc.training.validation import HeldOut
from napari_virtual_ihc.training.watch import Failure, Interruption
from napari_virtual_ihc.training.wishes import Wishes
from napari_virtual_ihc.training.world import Place, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.methods.base import Batch, Method
    from napari_virtual_ihc.training.settings import TrainingSettings

Outcome = Literal["finished", "stopped"]
_STREAM = 4


class Trainer:
    """One training in its run folder, from its last checkpoint to its model.

    Parameters
    ----------
    run
        The folder; its checkpoints decide where the training goes on.
    settings
        What to train.
    place
        Which of several processes this is; see `training.world`.
    report
        Called with picture files checked and files in all.

    Raises
    ------
    DataError
        If the data cannot be used, or differ from those the run began with.
    UsageError
        If this machine has not got the device or precision.
    """

    def __init__(
        self,
        run: RunFolder,
        settings: TrainingSettings,
        place: Place | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        kind = method_named(settings.method)
        self.run = run
        self.settings = settings
        self.recipe: Recipe = read_recipe(kind.recipe_type, settings.recipe)
        self.world = World(place or Place.here())
        self.fabric = make_fabric(settings.device, settings.precision, self.world.place)
        self.data = open_data(settings, self.recipe, report)
        self.mpp = seen_mpp(self.data, self.recipe.final_load_size)
        self.steps = settings.steps or self._paper_steps()
        self.method: Method = kind.build(self.recipe, settings.seed)
        self.state = self._adopt()
        self.engine = FabricEngine(self.fabric, self.world, self.recipe.clip_norm)
        enlarge = enlarger(self.recipe.magnification, self.fabric.device)
        place = self.world.place
        self.sampler = Sampler(self.data, self.recipe, settings.seed, self.steps, enlarge, place)
        seen_at = self.recipe.final_load_size
        held = HeldOut.of(self.data, seen_at, self.mpp, settings.validation_pairs)
        validator = validator_of(self.method, settings, held, self.fabric.device)
        self.keeper = Keeper(run, settings, self.state, self.world, validator)
        self._stop = Interruption()
        self._wishes = Wishes(self.keeper, settings, self.world, self._stop, self.fabric.device)

    def _paper_steps(self) -> int:
        """Return the steps of all epochs; an epoch draws as many crops as there are pairs."""
        batch = self.recipe.batch_size * self.world.place.size
        return self.recipe.total_epochs * max(1, len(self.data.train) // batch)

    def _adopt(self) -> State:
        """Put networks and memory on the device, and the networks into the precision."""
        device = self.fabric.device
        for letter, network in self.method.networks.items():
            self.method.networks[letter] = channels_last(network.to(device))
            run_in(network, self.fabric)
        self.method.memory = {key: v.to(device) for key, v in self.method.memory.items()}
        decay = self.recipe.ema_decay
        average = None if decay is None else Average(self.method.generator(), decay)
        return State(self.method, average, scaler_of(self.fabric), device)

    def train(self, report: Callable[[int, int], None] | None = None) -> Outcome:
        """Train to the end, or until asked to stop; the run folder tells which.

        Parameters
        ----------
        report
            Called with steps done and steps in all.

        Raises
        ------
        JobError
            If a loss is not a number (the sentence names step, term and files), or another process
            of this training failed.
        """
        with self.world:
            if self.world.place.first:
                self.run.claim()
            with Failure(self.run, self.world.place), self._stop:
                try:
                    return self._train(report)
                finally:
                    self._wishes.release_device()

    def _train(self, report: Callable[[int, int], None] | None) -> Outcome:
        self._require_same()
        start = self.keeper.restore()
        self._began(start)
        for batch in self.sampler.batches(start):
            if self._wishes.to_stop(batch.step):
                return self._stopped(batch.step)
            self._step(batch)
            self.keeper.after(batch.step + 1, self.steps)
            if report is not None:
                report(batch.step + 1, self.steps)
        self.keeper.finish(self.steps, self.data, self.mpp, self._ran())
        return "finished"

    def _require_same(self) -> None:
        """Refuse other data or another number of processes than the run began with."""
        began = self.world.from_first(lambda: self.run.last("started"))
        known = {self.data.fingerprint} if began is None else {began["data"]}
        if set(self.world.gather(self.data.fingerprint)) != known:
            root = self.data.root
            raise DataError(f"{root} has changed since this training began; start a new run.")
        before = 1 if began is None else began.get("processes", 1)
        if began is not None and before != self.world.place.size:
            raise JobError(
                f"{self.run.path} was begun with {before} processes and goes on with as many, not "
                f"with {self.world.place.size}: its batches would be others."
            )

    def _ran(self) -> dict[str, object]:
        return {
            "device": self.fabric.device.type,
            "precision": self.fabric.strategy.precision.precision,
            "processes": self.world.place.size,
        }

    def _began(self, start: int) -> None:
        began = {"event": "started", "step": start, "steps": self.steps}
        self.keeper.tell(began | {"data": self.data.fingerprint} | self._ran())
        for finding in self.data.findings:
            self.keeper.tell({"event": "finding"} | finding.as_dict())

    def _step(self, batch: Batch) -> None:
        began = time.monotonic()
        factor = self.recipe.lr_factor(batch.epoch)
        for optimiser in self.method.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * factor
        torch.manual_seed(self._step_seed(batch.step))
        losses = self.method.training_step(self._on_device(batch), self.engine)
        self.engine.end_step()
        average_buffers(self.world, self.method.networks.values())
        if self.state.average is not None:
            self.state.average.update()
        values = self._means({name: float(value) for name, value in losses.items()}, batch)
        event = {"event": "losses", "step": batch.step, "epoch": batch.epoch, "losses": values}
        seconds = round(time.monotonic() - began, 5)
        self.keeper.tell(event | {"seconds": seconds, "lr_factor": factor})

    def _step_seed(self, step: int) -> int:
        """Return the seed of torch's own source, from which layers such as dropout draw."""
        source = [self.settings.seed, step, _STREAM, self.world.place.rank]
        return int(np.random.default_rng(source).integers(1 << 62))

    def _on_device(self, batch: Batch) -> Batch:
        he, ihc = (
            image.to(self.fabric.device, memory_format=torch.channels_last)
            for image in (batch.he, batch.ihc)
        )
        return replace(batch, he=he, ihc=ihc)

    def _means(self, values: dict[str, float], batch: Batch) -> dict[str, float]:
        """Return the losses of the whole batch, or name the one that is not a number."""
        everywhere = self.world.gather(values)
        for rank, losses in enumerate(everywhere):
            wrong = [name for name, value in losses.items() if not math.isfinite(value)]
            if wrong:
                files = ", ".join(self.world.gather(batch.names)[rank])
                raise JobError(
                    f"Loss {wrong[0]!r} is not a number at step {batch.step}, with {files}; "
                    f"the last checkpoint is unharmed."
                )
        return {name: sum(v[name] for v in everywhere) / len(everywhere) for name in values}

    def _stopped(self, step: int) -> Outcome:
        self.keeper.checkpoint(step)
        self.keeper.tell({"event": "stopped", "step": step})
        return "stopped"


def open_data(
    settings: TrainingSettings,
    recipe: Recipe,
    report: Callable[[int, int], None] | None = None,
) -> PairFolder:
    """Open and check the data of a run; ``report`` is told of files checked and files in all."""
    crop = recipe.crop_size if recipe.load_size is None else 1
    mpp, marker = settings.mpp, settings.marker
    return PairFolder.open(settings.data, mpp=mpp, marker=marker, crop=crop, report=report)


def channels_last(network: nn.Module) -> nn.Module:
    """Return ``network`` with its convolution weights laid out channels last, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
