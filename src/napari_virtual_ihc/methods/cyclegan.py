"""CycleGAN (Zhu, Park, Isola, Efros: Unpaired Image-to-Image Translation, 2017).

Two generators learn the two directions at once from unrelated pictures; what one makes, the other
must be able to turn back. A is H&E, B is IHC, letters as in the published checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from napari_virtual_ihc.losses.gan import discriminator_loss, gan_loss
from napari_virtual_ihc.methods.image_pool import exchange
from napari_virtual_ihc.methods.learner import Learner, frozen
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.init import InitKind, initialise
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.registry import build, describe
from napari_virtual_ihc.networks.resnet import ResnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Batch, Engine


class CycleGanRecipe(Recipe):
    """Switches of CycleGAN; the defaults are the paper's and its PyTorch code's."""

    n_epochs: int = Field(default=100, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=100, ge=0, description="Epochs of falling learning rate.")
    load_size: int | None = Field(default=286, ge=8, description="Resize pictures to this side.")
    crop_size: int = Field(default=256, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    sampling: Literal["replacement", "shuffled"] = Field(
        default="shuffled", description="How H&E pictures are drawn; the code shuffles them."
    )
    aligned: bool = Field(default=False, description="Draw true pairs instead of unrelated ones.")
    ngf: int = Field(default=64, ge=1, description="Channels of the generators' first layer.")
    n_blocks: int = Field(default=9, ge=0, description="Residual blocks of the generators.")
    ndf: int = Field(default=64, ge=1, description="Channels of the discriminators' first layer.")
    n_layers_d: int = Field(default=3, ge=1, description="Stages of the discriminators.")
    init: InitKind = Field(default="normal", description="Distribution of initial weights.")
    init_gain: float = Field(default=0.02, gt=0, description="Gain of initial weights.")
    gan_mode: Literal["lsgan", "vanilla"] = Field(
        default="lsgan", description="Adversarial loss: least squares or cross-entropy."
    )
    pool_size: int = Field(default=50, ge=0, description="Generated images kept to show again.")
    lambda_gan: float = Field(
        default=1.0, ge=0, description="Weight of the adversarial losses; 0 is 'Cycle alone'."
    )
    lambda_a: float = Field(
        default=10.0, ge=0, description="Weight of H&E → IHC → H&E; 0 is 'GAN + backward cycle'."
    )
    lambda_b: float = Field(
        default=10.0, ge=0, description="Weight of IHC → H&E → IHC; 0 is 'GAN + forward cycle'."
    )
    lambda_idt: float = Field(
        default=0.5,
        ge=0,
        description="Weight of a generator leaving its own target as it is, as a share of the "
        "cycles' weights; 0 is 'w/o identity'.",
    )


@dataclass(frozen=True)
class Cycle:
    """Both ways there and back: fake_b = G_A(x), back_a = G_B(fake_b), and y likewise."""

    fake_b: Tensor
    back_a: Tensor
    fake_a: Tensor
    back_b: Tensor


class CycleGan(Learner[CycleGanRecipe]):
    """G_A and G_B minimise GAN + cycle consistency + identity (eq. 3 and section 5.2), D_A and D_B.

    D_A judges IHC and D_B H&E, shown a history of generated images. Unlike in pix2pix the
    generators step first. One optimiser serves both generators, one both discriminators.
    """

    name: ClassVar[str] = "cyclegan"
    title: ClassVar[str] = "CycleGAN (Zhu et al. 2017)"
    recipe_type: ClassVar[type[Recipe]] = CycleGanRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": CycleGanRecipe(),
        "smoke": CycleGanRecipe(
            n_epochs=3,
            n_epochs_decay=1,
            load_size=None,
            crop_size=64,
            ngf=8,
            n_blocks=2,
            ndf=8,
            n_layers_d=2,
            augmentation=Augmentation(turn=True),
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Cycle alone": ("lambda_gan=0",),
        "GAN alone": ("lambda_a=0", "lambda_b=0"),
        "GAN + forward cycle": ("lambda_b=0",),
        "GAN + backward cycle": ("lambda_a=0",),
        "w/o identity": ("lambda_idt=0",),
    }

    def _build_networks(self) -> dict[str, nn.Module]:
        recipe = self.recipe
        networks = {letter: build(*self.architecture()) for letter in ("G_A", "G_B")}
        if recipe.lambda_gan:
            shape = PatchGanConfig(
                ndf=recipe.ndf, n_layers=recipe.n_layers_d, antialias=False, layout="cut"
            )
            networks |= {letter: PatchGan(shape) for letter in ("D_A", "D_B")}
        for network in networks.values():
            initialise(network, recipe.init, recipe.init_gain)
        return networks

    def _build_optimisers(self) -> dict[str, Optimizer]:
        letters = [kind for kind in ("G", "D") if f"{kind}_A" in self.networks]
        return {
            kind: self._adam(
                chain(*(self.networks[f"{kind}_{side}"].parameters() for side in ("A", "B")))
            )
            for kind in letters
        }

    def generator(self) -> nn.Module:
        """Return G_A, which makes IHC from H&E."""
        return self.networks["G_A"]

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of G_A's and G_B's architecture."""
        recipe = self.recipe
        config = ResnetConfig(
            ngf=recipe.ngf, n_blocks=recipe.n_blocks, antialias=False, antialias_up=False
        )
        return "resnet", describe(config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of both G, then one of both D; return the named losses."""
        cycle = self.translate(batch)
        losses = self._generator_step(cycle, batch, engine)
        if "D" in self.optimisers:
            losses |= self._discriminator_step(cycle, batch, engine)
        return {name: value.detach() for name, value in losses.items()}

    def translate(self, batch: Batch) -> Cycle:
        """Translate both pictures there and back."""
        to_b, to_a = self.networks["G_A"], self.networks["G_B"]
        fake_b, fake_a = to_b(batch.he), to_a(batch.ihc)
        return Cycle(fake_b, to_a(fake_b), fake_a, to_b(fake_a))

    def _generator_step(self, cycle: Cycle, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        optimiser = self.optimisers["G"]
        optimiser.zero_grad(set_to_none=True)
        terms = self.generator_losses(cycle, batch)
        total = torch.stack(list(terms.values())).sum()
        engine.backward(total)
        engine.step(optimiser)
        return terms | {"G": total}

    def generator_losses(self, cycle: Cycle, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms whose sum both G minimise; one of weight 0 is left out."""
        recipe = self.recipe
        terms = {}
        if recipe.lambda_gan:
            terms["GAN_A"] = self._adversarial("D_A", cycle.fake_b)
            terms["GAN_B"] = self._adversarial("D_B", cycle.fake_a)
        if recipe.lambda_a:
            terms["cycle_A"] = F.l1_loss(cycle.back_a, batch.he) * recipe.lambda_a
        if recipe.lambda_b:
            terms["cycle_B"] = F.l1_loss(cycle.back_b, batch.ihc) * recipe.lambda_b
        return terms | self._identities(batch)

    def _adversarial(self, letter: str, fake: Tensor) -> Tensor:
        judge = self.networks[letter]
        with frozen(judge):
            logits = judge(fake)
        return gan_loss(logits, real=True, mode=self.recipe.gan_mode) * self.recipe.lambda_gan

    def _identities(self, batch: Batch) -> dict[str, Tensor]:
        """Return how far G_A changes IHC and G_B changes H&E."""
        recipe = self.recipe
        sides = {"A": (batch.ihc, recipe.lambda_b), "B": (batch.he, recipe.lambda_a)}
        return {
            f"idt_{side}": F.l1_loss(self.networks[f"G_{side}"](own), own)
            * (weight * recipe.lambda_idt)
            for side, (own, weight) in sides.items()
            if weight * recipe.lambda_idt
        }

    def _discriminator_step(self, cycle: Cycle, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        optimiser = self.optimisers["D"]
        optimiser.zero_grad(set_to_none=True)
        losses = {
            "D_A": self._judgement("D_A", "fake_b", cycle.fake_b, batch.ihc, batch),
            "D_B": self._judgement("D_B", "fake_a", cycle.fake_a, batch.he, batch),
        }
        for loss in losses.values():
            engine.backward(loss)
        engine.step(optimiser)
        return losses

    def _judgement(
        self, letter: str, pool: str, fake: Tensor, real: Tensor, batch: Batch
    ) -> Tensor:
        """Return D's loss on real images and on generated ones, some of earlier steps."""
        judge, recipe = self.networks[letter], self.recipe
        shown = exchange(self.memory, pool, fake, recipe.pool_size, batch.generator)
        return discriminator_loss(judge(shown), judge(real), recipe.gan_mode)
