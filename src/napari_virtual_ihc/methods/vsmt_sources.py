"""Where VSMT's guiding features come from: frozen task networks, or the generator itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.losses.structure_views import with_brightness
from napari_virtual_ihc.methods.vsmt_auxiliaries import STAINS
from napari_virtual_ihc.models.folder import Model, load_model
from napari_virtual_ihc.networks.auxiliary import Classifier, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from napari_virtual_ihc.methods.vsmt_auxiliaries import Stain
    from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe
    from napari_virtual_ihc.networks.resnet import ResnetGenerator

GENERATOR_NOTE = (
    "Guided by features of its own encoder, not of task networks: this is no variant of the paper."
)


@dataclass(frozen=True)
class Task:
    """A place for a task network: its recipe field, letter, architecture and stain."""

    field: str
    letter: str
    architecture: str
    stain: Stain

    @property
    def command(self) -> str:
        """The command that trains it."""
        method = self.field.partition("_")[2]
        return f"virtual-ihc train --method vsmt-{method} --set stain={self.stain}"


TASKS = (
    Task("he_classification", "Cls_he", "classifier", "he"),
    Task("he_reconstruction", "Re_he", "rebuilder", "he"),
    Task("ihc_classification", "Cls_ihc", "classifier", "ihc"),
    Task("ihc_reconstruction", "Re_ihc", "rebuilder", "ihc"),
)


@dataclass(frozen=True)
class Sources:
    """Which networks give the features of a stain, by letter, classification first.

    Attributes
    ----------
    he, ihc
        Letters; G's own where it guides itself. No H&E letters: H&E features are left out.
    texture
        The one IHC network whose features are matched: the reconstruction where there is one.
    layers
        Layers of G that are read where it guides itself.
    """

    he: tuple[str, ...]
    ihc: tuple[str, ...]
    texture: str
    layers: tuple[int, int]

    def features(
        self, networks: Mapping[str, nn.Module], letters: tuple[str, ...], images: Tensor
    ) -> list[Tensor]:
        """Return the features of two taps, those of all ``letters`` side by side, no gradient."""
        with torch.no_grad():
            each = [self._of(networks[letter], images) for letter in letters]
            return [torch.cat(maps, dim=1) for maps in zip(*each, strict=True)]

    def _of(self, network: nn.Module, images: Tensor) -> list[Tensor]:
        if isinstance(network, Rebuilder | Classifier):
            return network.features(with_brightness(images), network.config.taps)
        return cast("ResnetGenerator", network).features(images, self.layers)


def sources_of(recipe: VsmtRecipe) -> Sources:
    """Return where the features of a recipe come from.

    Raises
    ------
    UsageError
        If task networks are wanted and none of IHC is given, or given and not wanted.
    """
    if recipe.features == "generator":
        if spare := given(recipe):
            raise UsageError(f"features=generator leaves no place for {spare[0].field!r}.")
        he = ("G",) if recipe.he_semantics else ()
        return Sources(he, ("G",), "G", recipe.guided_layers)
    letters = {
        stain: tuple(task.letter for task in given(recipe) if task.stain == stain)
        for stain in STAINS
    }
    if not letters["ihc"]:
        commands = " or ".join(task.command for task in TASKS if task.stain == "ihc")
        raise UsageError(
            f"VSMT needs a task network of IHC: train one with {commands}, and give its model "
            "folder as 'ihc_classification' or 'ihc_reconstruction'."
        )
    return Sources(letters["he"], letters["ihc"], letters["ihc"][-1], recipe.guided_layers)


def given(recipe: VsmtRecipe) -> tuple[Task, ...]:
    """Return the tasks whose networks a recipe names and uses."""
    return tuple(task for task in TASKS if _wanted(task, recipe) and getattr(recipe, task.field))


def _wanted(task: Task, recipe: VsmtRecipe) -> bool:
    """Tell whether no ablation leaves the task out."""
    seen = recipe.he_semantics or task.stain != "he"
    return seen and (recipe.reconstruction or task.architecture != "rebuilder")


def left_out(recipe: VsmtRecipe) -> tuple[str, ...]:
    """Return a sentence for each source of features that is missing though no ablation asks it."""
    if recipe.features == "generator":
        return (GENERATOR_NOTE,)
    present = given(recipe)
    return tuple(
        f"Without the {task.field.partition('_')[2]} of {STAINS[task.stain]}: "
        f"recipe field {task.field!r} names no model folder."
        for task in TASKS
        if _wanted(task, recipe) and task not in present
    )


def load_tasks(recipe: VsmtRecipe) -> dict[str, nn.Module]:
    """Return the task networks by letter, frozen.

    Raises
    ------
    ModelError
        If a folder is missing, damaged, or of another task, stain or width.
    """
    return {
        task.letter: _load(task, getattr(recipe, task.field), recipe.ngf) for task in given(recipe)
    }


def _load(task: Task, folder: Path, ngf: int) -> nn.Module:
    where = f"{folder} (recipe field {task.field!r})"
    if not folder.is_dir():
        raise ModelError(f"{where} is no model folder; train it with {task.command}.")
    model = load_model(folder)
    card = model.card
    if card.architecture != task.architecture:
        wrong = f"holds a {card.architecture!r} and not a {task.architecture!r}"
        raise ModelError(f"{where} {wrong}; train it with {task.command}.")
    if (stain := _stain(model)) not in (None, task.stain):
        raise ModelError(f"{where} learned from {stain!r} pictures; train it with {task.command}.")
    network = model.network()
    assert isinstance(network, Rebuilder | Classifier)
    if network.config.ngf != ngf:
        wider = f"has ngf {network.config.ngf}, and VSMT's generator {ngf}"
        raise ModelError(f"{where} {wider}; the two must be equal.")
    return network


def _stain(model: Model) -> str | None:
    """Return the stain that a card tells, None where it tells none (imported weights)."""
    recipe = model.card.recipe
    fields = recipe.get("fields", {}) if isinstance(recipe, dict) else {}
    stain = fields.get("stain")
    return stain if isinstance(stain, str) else None
