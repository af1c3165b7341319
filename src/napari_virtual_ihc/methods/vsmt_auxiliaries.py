"""VSMT's task networks: what they share, and the reconstruction.

VSMT reads H&E and IHC through networks that learned a task on one stain each. Four are trained
before it: reconstruction and classification, of H&E and of IHC (`stain`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch.nn import functional as F

from napari_virtual_ihc.losses.structure_views import with_brightness
from napari_virtual_ihc.methods.learner import Learner
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.auxiliary import Rebuilder, RebuilderConfig
from napari_virtual_ihc.networks.dropout import drawing_from
from napari_virtual_ihc.networks.init import InitKind, initialise
from napari_virtual_ihc.networks.registry import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_virtual_ihc.methods.base import Artifact, Batch, Engine

Stain = Literal["he", "ihc"]
STAINS: dict[Stain, str] = {"he": "H&E", "ihc": "IHC"}
VSMT_FIDELITY = (
    "a description of the published code, formulas only; the non-commercial licence of the "
    "authors' code and weights does not extend to this re-implementation"
)
_SHOWN = 3


class TaskRecipe(Recipe):
    """Switches of both tasks; the defaults are the published ones (20 + 10 epochs)."""

    stain: Stain = Field(default="he", description="Learn from the H&E or from the IHC pictures.")
    n_epochs: int = Field(default=20, ge=1, description="Epochs at the full learning rate.")
    ngf: int = Field(
        default=64, ge=1, description="Channels of the first layer; VSMT wants those of its G."
    )
    n_blocks: int = Field(default=9, ge=2, description="Residual blocks.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout in residual blocks.")
    init: InitKind = Field(default="xavier", description="Distribution of initial weights.")
    init_gain: float = Field(default=0.02, gt=0, description="Gain of initial weights.")


R = TypeVar("R", bound=TaskRecipe)


class TaskMethod(Learner[R]):
    """A network that learns a task on one stain, on pictures of equal brightness."""

    artifact: ClassVar[Artifact] = "auxiliary"
    fidelity: ClassVar[str] = VSMT_FIDELITY
    letter: ClassVar[str]

    def __init__(self, recipe: R, seed: int) -> None:
        super().__init__(recipe, seed)
        self.notes = (f"A task network of VSMT for {STAINS[recipe.stain]} pictures.",)

    def generator(self) -> nn.Module:
        """Return the network that learns the task."""
        return self.networks[self.letter]

    def pictures(self, batch: Batch) -> Tensor:
        """Return the pictures of the stain, each of mean brightness ½."""
        return with_brightness(batch.he if self.recipe.stain == "he" else batch.ihc)


class ReconstructionRecipe(TaskRecipe):
    """Switches of the reconstruction; the defaults are the published ones."""


class VsmtReconstruction(TaskMethod[ReconstructionRecipe]):
    """Re learns to give its input back through a bottleneck: mean (Re(x) − x)²."""

    name: ClassVar[str] = "vsmt-reconstruction"
    title: ClassVar[str] = "VSMT (CVPR 2026), reconstruction task"
    recipe_type: ClassVar[type[Recipe]] = ReconstructionRecipe
    letter: ClassVar[str] = "Re"
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": ReconstructionRecipe(),
        "demo": ReconstructionRecipe(
            n_epochs=4,
            n_epochs_decay=2,
            batch_size=2,
            crop_size=128,
            ngf=16,
            dropout=0.1,
            init_gain=1.0,
            lr=1e-3,
            augmentation=Augmentation(turn=True),
        ),
        "smoke": ReconstructionRecipe(
            n_epochs=3,
            n_epochs_decay=1,
            batch_size=2,
            crop_size=64,
            ngf=8,
            init_gain=1.0,
            augmentation=Augmentation(turn=True),
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {"w/o dropout": ("dropout=0",)}
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    protocols: ClassVar[Mapping[str, str]] = {
        "reconstruction_mse": "mean squared error of values in [-1, 1], pictures of mean "
        "brightness 1/2, central crops of the training's size",
    }

    @property
    def config(self) -> RebuilderConfig:
        """Shape of Re."""
        recipe = self.recipe
        return RebuilderConfig(recipe.ngf, recipe.n_blocks, recipe.dropout)

    def _build_networks(self) -> dict[str, nn.Module]:
        network = Rebuilder(self.config)
        initialise(network, self.recipe.init, self.recipe.init_gain)
        return {"Re": network}

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of Re's architecture."""
        return "rebuilder", describe(self.config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of Re."""
        pictures, network = self.pictures(batch), self.networks["Re"]
        optimiser = self.optimisers["Re"]
        optimiser.zero_grad(set_to_none=True)
        with drawing_from(network, batch.generator, batch.share):
            loss = F.mse_loss(network(pictures), pictures)
        engine.backward(loss)
        engine.step(optimiser)
        return {"MSE": loss.detach()}

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return the mean squared error of a held-out batch."""
        pictures = self.pictures(batch)
        return {"reconstruction_mse": float(F.mse_loss(network(pictures), pictures))}

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return pictures and, right of each, their reconstruction."""
        pictures = self.pictures(batch)[:_SHOWN]
        rows = torch.cat([pictures, network(pictures)], dim=3)
        return torch.cat(list(rows), dim=1)
