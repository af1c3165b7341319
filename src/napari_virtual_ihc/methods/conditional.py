"""What pix2pix and its heirs share: a generator, a discriminator that sees the pair, a distance."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from napari_virtual_ihc.losses.gan import discriminator_loss, gan_loss
from napari_virtual_ihc.methods.learner import Learner, frozen
from napari_virtual_ihc.methods.recipe import Recipe
from napari_virtual_ihc.networks.dropout import drawing_from
from napari_virtual_ihc.networks.init import InitKind, initialise
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.registry import build

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.base import Batch, Engine


class ConditionalRecipe(Recipe):
    """Switches of every method that stands on pix2pix (Isola et al. 2017)."""

    n_epochs: int = Field(default=100, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=100, ge=0, description="Epochs of falling learning rate.")
    sampling: Literal["replacement", "shuffled"] = Field(
        default="shuffled", description="How pairs are drawn; the code shuffles them."
    )
    ngf: int = Field(default=64, ge=1, description="Channels of the generator's first layer.")
    dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Dropout in the generator, its only noise."
    )
    norm: Literal["batch", "instance"] = Field(
        default="batch", description="Normalisation in generator and discriminator."
    )
    ndf: int = Field(default=64, ge=1, description="Channels of the discriminator's first layer.")
    discriminator: Literal["patch", "pixel"] = Field(
        default="patch", description="Judge overlapping patches, or every pixel alone."
    )
    n_layers_d: int = Field(
        default=3,
        ge=1,
        description="Stages of the patch discriminator; 1, 3 and 5 see patches of 16, 70, 286 px.",
    )
    conditional: bool = Field(
        default=True, description="Show the discriminator the H&E beside the IHC."
    )
    init: InitKind = Field(default="normal", description="Distribution of initial weights.")
    init_gain: float = Field(default=0.02, gt=0, description="Gain of initial weights.")
    gan_mode: Literal["vanilla", "lsgan"] = Field(
        default="vanilla", description="Adversarial loss: cross-entropy or least squares."
    )
    lambda_gan: float = Field(
        default=1.0, ge=0, description="Weight of the adversarial loss; 0 trains no discriminator."
    )


R = TypeVar("R", bound=ConditionalRecipe)


class ConditionalGan(Learner[R]):
    """G minimises λ_GAN · GAN(x, ŷ) + distance(ŷ, y); D tells (x, y) from (x, ŷ).

    Each step: translate; D learns, at half its loss; then G learns, D frozen. Dropout in G draws
    its masks from the batch.
    """

    def _build_networks(self) -> dict[str, nn.Module]:
        recipe = self.recipe
        networks = {"G": build(*self.architecture())}
        if recipe.lambda_gan:
            networks["D"] = PatchGan(self.discriminator_config)
        for network in networks.values():
            initialise(network, recipe.init, recipe.init_gain)
        return networks

    @property
    def discriminator_config(self) -> PatchGanConfig:
        """Shape of D."""
        recipe = self.recipe
        return PatchGanConfig(
            input_nc=6 if recipe.conditional else 3,
            ndf=recipe.ndf,
            n_layers=recipe.n_layers_d,
            norm=recipe.norm,
            antialias=False,
            layout="pixel" if recipe.discriminator == "pixel" else "cut",
        )

    @abstractmethod
    def distances(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms that draw ŷ to y."""

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of D, then one of G; return the named losses."""
        fake = self.translate(batch)
        losses = {}
        if "D" in self.networks:
            losses = self._discriminator_step(fake.detach(), batch, engine)
        losses |= self._generator_step(fake, batch, engine)
        return {name: value.detach() for name, value in losses.items()}

    def translate(self, batch: Batch) -> Tensor:
        """Return ŷ = G(x)."""
        network = self.networks["G"]
        with drawing_from(network, batch.generator, batch.share):
            fake: Tensor = network(batch.he)
        return fake

    def _discriminator_step(self, fake: Tensor, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        optimiser = self.optimisers["D"]
        optimiser.zero_grad(set_to_none=True)
        loss = discriminator_loss(
            self._judged(batch.he, fake), self._judged(batch.he, batch.ihc), self.recipe.gan_mode
        )
        engine.backward(loss)
        engine.step(optimiser)
        return {"D": loss}

    def _generator_step(self, fake: Tensor, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        optimiser = self.optimisers["G"]
        optimiser.zero_grad(set_to_none=True)
        terms = self.generator_losses(fake, batch)
        total = torch.stack(list(terms.values())).sum()
        engine.backward(total)
        engine.step(optimiser)
        return terms | {"G": total}

    def generator_losses(self, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms whose sum G minimises; one of weight 0 is left out."""
        adversarial = {}
        if "D" in self.networks:
            with frozen(self.networks["D"]):
                logits = self._judged(batch.he, fake)
            loss = gan_loss(logits, real=True, mode=self.recipe.gan_mode)
            adversarial = {"GAN": loss * self.recipe.lambda_gan}
        return adversarial | self.distances(fake, batch.ihc)

    def _judged(self, he: Tensor, ihc: Tensor) -> Tensor:
        """Return D's logits of an IHC picture, beside its H&E where D is conditional."""
        seen = torch.cat([he, ihc], dim=1) if self.recipe.conditional else ihc
        logits: Tensor = self.networks["D"](seen)
        return logits
