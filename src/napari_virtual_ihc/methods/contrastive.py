"""What CUT and its heirs share: generator, discriminator, projection head and their two steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor, nn

from napari_virtual_ihc.losses.gan import discriminator_loss, gan_loss
from napari_virtual_ihc.losses.patch_nce import Negatives, patch_nce
from napari_virtual_ihc.methods.contrastive_recipe import ContrastiveRecipe
from napari_virtual_ihc.methods.learner import Learner, frozen
from napari_virtual_ihc.methods.passes import (
    Maps,
    Queries,
    Translation,
    at_once,
    averaging_first,
    detached,
    one_by_one,
)
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.norm_statistics import norm_layers
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.projection import PatchProjection, ProjectionConfig, sample_ids
from napari_virtual_ihc.networks.registry import build, describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, tap_channels

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.base import Batch, Engine

PatchLoss = Callable[[Tensor, Tensor, int], Tensor]
IdSource = Callable[[str, Sequence[Tensor], torch.Generator], list[Tensor]]


R = TypeVar("R", bound=ContrastiveRecipe)


class ContrastiveMethod(Learner[R]):
    """Generator G, discriminator D and projection head F, stepped as in CUT.

    Each step: translate; D learns to tell ŷ from y; then G and F learn together, D frozen.
    Key features come from the translating pass itself: they carry no gradient, so that the
    separate encoder passes of the public code would give the same numbers again.
    """

    contrasts_ihc = False

    def __init__(self, recipe: R, seed: int) -> None:
        super().__init__(recipe, seed)
        self.draw_ids: IdSource = self._fresh_ids

    def _build_networks(self) -> dict[str, nn.Module]:
        recipe = self.recipe
        channels = tap_channels(self.generator_config, recipe.nce_layers)
        head = ProjectionConfig(
            channels, recipe.netf_width, recipe.netf == "mlp_sample", recipe.legacy_l2norm
        )
        networks: dict[str, nn.Module] = {
            "G": build(*self.architecture()),
            "D": PatchGan(self.discriminator_config),
            "F": PatchProjection(head),
        }
        for network in networks.values():
            initialise(network, recipe.init, recipe.init_gain)
        if recipe.statistics == "batch":
            for layer in norm_layers(networks["G"]).values():
                layer.pool()
        return networks

    @property
    def generator_config(self) -> ResnetConfig:
        """Shape of G, or of the ResNet whose layers G's feature taps are counted by."""
        recipe = self.recipe
        return ResnetConfig(
            ngf=recipe.ngf,
            n_blocks=recipe.n_blocks,
            norm=recipe.norm,
            dropout=recipe.dropout,
            antialias=recipe.antialias,
            antialias_up=recipe.antialias_up,
            spectral=recipe.spectral_norm,
        )

    @property
    def discriminator_config(self) -> PatchGanConfig:
        """Shape of D."""
        recipe = self.recipe
        return PatchGanConfig(
            ndf=recipe.ndf,
            n_layers=recipe.n_layers_d,
            antialias=recipe.antialias,
            spectral=recipe.spectral_norm,
            layout=self.discriminator_layout,
        )

    discriminator_layout: Literal["asp", "cut"] = "cut"

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of G's architecture."""
        return "resnet", describe(self.generator_config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of D, then one of G and F; return the named losses."""
        translation = self.translate(batch)
        losses = self._discriminator_step(translation, batch, engine)
        terms = self._generator_step(translation, batch, engine)
        return {name: value.detach() for name, value in (losses | terms).items()}

    def _discriminator_step(
        self, translation: Translation, batch: Batch, engine: Engine
    ) -> dict[str, Tensor]:
        judge, optimiser = self.networks["D"], self.optimisers["D"]
        optimiser.zero_grad(set_to_none=True)
        loss = discriminator_loss(
            judge(translation.fake.detach()), judge(batch.ihc), self.recipe.gan_mode
        )
        engine.backward(loss)
        engine.step(optimiser)
        return {"D": loss}

    def _generator_step(
        self, translation: Translation, batch: Batch, engine: Engine
    ) -> dict[str, Tensor]:
        learning = [self.optimisers[name] for name in ("G", "F") if name in self.optimisers]
        for optimiser in learning:
            optimiser.zero_grad(set_to_none=True)
        with frozen(self.networks["D"]):
            terms = self.generator_losses(translation, batch)
            total = torch.stack(list(terms.values())).sum()
            engine.backward(total)
        for optimiser in learning:
            engine.step(optimiser)
        return terms | {"G": total}

    @abstractmethod
    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms whose plain sum G and F minimise."""

    def translate(self, batch: Batch) -> Translation:
        """Run G on the batch, its encoder features tapped on the way."""
        if self.recipe.nce_idt:
            (*he_maps, fake), (*ihc_maps, identity) = self._run([batch.he, batch.ihc], whole=True)
            return Translation(fake, identity, detached(he_maps), detached(ihc_maps))
        ((*he_maps, fake),) = self._run([batch.he], whole=True)
        ihc_maps = self.encode_quietly(batch.ihc) if self.contrasts_ihc else []
        return Translation(fake, None, detached(he_maps), ihc_maps)

    def encode_queries(self, translation: Translation) -> Queries:
        """Return the encoder features of what G made, with gradient."""
        if translation.identity is None:
            return Queries(self._run([translation.fake])[0], None)
        fake, identity = self._run([translation.fake, translation.identity])
        return Queries(fake, identity)

    def encode_quietly(self, images: Tensor) -> Maps:
        """Return encoder features without gradient."""
        with torch.no_grad():
            return self._run([images])[0]

    def _run(self, parts: list[Tensor], *, whole: bool = False) -> list[Maps]:
        """Run G on several image batches, at once where its statistics are per sample."""
        recipe = self.recipe
        if recipe.statistics == "batch":
            run = one_by_one
        else:
            run = averaging_first if recipe.norm == "batch" else at_once
        return run(self.networks["G"], parts, recipe.nce_layers, whole=whole)

    def adversarial(self, fake: Tensor) -> Tensor:
        """Return λ_GAN times the loss of D taking ŷ for real."""
        loss = gan_loss(self.networks["D"](fake), real=True, mode=self.recipe.gan_mode)
        return loss.mean() * self.recipe.lambda_gan

    def input_contrasts(
        self, queries: Queries, translation: Translation, batch: Batch, weight: float
    ) -> dict[str, Tensor]:
        """Return w · NCE(x → ŷ) and, with the identity term, w · NCE(y → G(y))."""
        nce = self.contrast("NCE", queries.fake, translation.he_maps, batch)
        terms = {"NCE": nce * weight}
        if queries.identity is not None:
            identity = self.contrast("NCE_Y", queries.identity, translation.ihc_maps, batch)
            terms["NCE_Y"] = identity * weight
        return terms

    @property
    def nce_negatives(self) -> Negatives:
        """Which patches PatchNCE contrasts with."""
        return "inter"

    def contrast(
        self,
        term: str,
        queries: Maps,
        keys: Maps,
        batch: Batch,
        patch_loss: PatchLoss | None = None,
    ) -> Tensor:
        """Return the mean over taps of the mean patch loss, at freshly drawn positions."""
        head = self.networks["F"]
        ids = self.draw_ids(term, keys, batch.generator)
        with torch.no_grad():
            references = head(keys, ids)
        images = len(batch.he)
        loss = patch_loss or self._patch_nce
        pairs = zip(head(queries, ids), references, strict=True)
        return torch.stack([loss(q, k, images).mean() for q, k in pairs]).mean()

    def _patch_nce(self, query: Tensor, key: Tensor, images: int) -> Tensor:
        recipe = self.recipe
        return patch_nce(
            query,
            key,
            images=images,
            temperature=recipe.nce_temperature,
            all_negatives=recipe.all_negatives,
            negatives=self.nce_negatives,
        )

    def _fresh_ids(
        self, term: str, maps: Sequence[Tensor], generator: torch.Generator
    ) -> list[Tensor]:
        return sample_ids(maps, self.recipe.num_patches, generator)
