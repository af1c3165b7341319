"""VSMT: virtual staining guided by the features of task networks (CVPR 2026).

Networks that learned to reconstruct and to classify each stain see in a neighbouring section's
real IHC what the virtual one should look like. Their features are moved onto the H&E
(active-passive matching), fused, and added to the generator's own: the guided picture is better
than the plain one, and the plain generator learns to make the same features by itself.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.distillation import feature_distance
from napari_virtual_ihc.losses.gan import discriminator_loss, gan_loss
from napari_virtual_ihc.losses.statistics import variance_constraint
from napari_virtual_ihc.losses.structure_contrast import structure_contrast
from napari_virtual_ihc.methods.contrastive import ContrastiveMethod
from napari_virtual_ihc.methods.learner import frozen
from napari_virtual_ihc.methods.passes import Translation, detached
from napari_virtual_ihc.methods.vsmt_auxiliaries import VSMT_FIDELITY
from napari_virtual_ihc.methods.vsmt_guide import (
    Guided,
    Seen,
    evaluating,
    guide_networks,
    guided_pass,
    likenesses,
    make_guide,
    see,
)
from napari_virtual_ihc.methods.vsmt_presets import ABLATIONS, PRESETS
from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe
from napari_virtual_ihc.methods.vsmt_sources import left_out, load_tasks, sources_of
from napari_virtual_ihc.methods.vsmt_views import draw_elastic, draw_views, draws_of_pictures
from napari_virtual_ihc.networks.init import initialise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Batch, Engine
    from napari_virtual_ihc.methods.passes import Maps
    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.networks.guidance import FeatureGenerator
    from napari_virtual_ihc.networks.resnet import ResnetGenerator


class Vsmt(ContrastiveMethod[VsmtRecipe]):
    """Per step: D; its guided twin FD; FG1, FG2 and DP2, which make the guide; G and DP.

    FG minimises ‖P₂(moved) − P₂(virtual)‖ + ‖P₂(F_sta) − P₂(moved)‖ + .1 SEL + 2 GAN(ŷ_g) +
    NCE(x → ŷ_g) + 15 GP(ŷ_g, y), G minimises NCE(x → ŷ) + GAN(ŷ) + w(t) Σ ‖P(G_l) − P(guided_l)‖ +
    15 GP(ŷ, y) + std. What the guided pass made in FG's step teaches G in the next. The head F
    learns in both. FD judges by the guided picture of the step before.

    Notes
    -----
    Read so where it is told nowhere: the IHC features that are fused are those of y itself (those
    of G(y) are matched), and the patch-wise change of a view is that of `patches_turned`. The
    published code takes batches of one; here each picture is matched by itself.
    """

    name: ClassVar[str] = "vsmt"
    title: ClassVar[str] = "VSMT (CVPR 2026)"
    recipe_type: ClassVar[type[Recipe]] = VsmtRecipe
    fidelity: ClassVar[str] = VSMT_FIDELITY
    presets: ClassVar[Mapping[str, Recipe]] = PRESETS
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = ABLATIONS
    discriminator_layout: Literal["asp", "cut"] = "asp"

    def __init__(self, recipe: VsmtRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        self.notes = left_out(recipe) if recipe.guidance else ()

    def _build_networks(self) -> dict[str, nn.Module]:
        recipe = self.recipe
        networks = super()._build_networks()
        if not recipe.guidance:
            return networks
        self.sources = sources_of(recipe)
        guides = guide_networks(recipe, self.sources)
        for network in guides.values():
            initialise(network, recipe.init, recipe.init_gain)
        return networks | {"FD": deepcopy(networks["D"])} | guides | load_tasks(recipe)

    def _build_optimisers(self) -> dict[str, Optimizer]:
        return {
            letter: self._adam(network.parameters())
            for letter, network in self.networks.items()
            if any(parameter.requires_grad for parameter in network.parameters())
        }

    @property
    def _g(self) -> ResnetGenerator:
        return cast("ResnetGenerator", self.networks["G"])

    @property
    def _fg(self) -> tuple[FeatureGenerator, FeatureGenerator]:
        first, second = (cast("FeatureGenerator", self.networks[f"FG{n}"]) for n in (1, 2))
        return first, second

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of D, FD, the guide and G; return the named losses."""
        translation = self.translate(batch)
        losses = self._discriminator_step(translation, batch, engine)
        if self.recipe.guidance:
            self._refresh(batch)
            losses |= self._guided_discriminator_step(batch, engine)
            terms, teachers = self._guide_step(translation, batch, engine)
            losses |= terms
            translation = replace(translation, teachers=teachers)
        losses |= self._generator_step(translation, batch, engine)
        return {name: value.detach() for name, value in losses.items()}

    def translate(self, batch: Batch) -> Guided:
        """Run G on the batch, its features tapped on the way."""
        recipe = self.recipe
        taps = sorted({*recipe.nce_layers, *recipe.distilled_layers})
        *maps, fake = self._g.features(batch.he, taps, whole=True)
        at = dict(zip(taps, maps, strict=True))
        he_maps = detached([at[tap] for tap in recipe.nce_layers])
        students = [at[tap] for tap in recipe.distilled_layers]
        if not recipe.nce_idt:
            return Guided(fake, None, he_maps, [], students=students)
        *ihc_maps, identity = self._g.features(batch.ihc, recipe.nce_layers, whole=True)
        return Guided(fake, identity, he_maps, detached(ihc_maps), students=students)

    def _refresh(self, batch: Batch) -> None:
        """Make FD D's copy, and draw the elastic strength anew, every so many steps.

        FD begins as D's copy, so that nothing is to be copied in the first step.
        """
        due = batch.step % self.recipe.refresh_steps == 0
        if due and batch.step:
            self.networks["FD"].load_state_dict(self.networks["D"].state_dict())
        if self.recipe.contrasts and (due or "elastic" not in self.memory):
            self.memory["elastic"] = draw_elastic(batch.generator)

    def _guided_discriminator_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Let FD tell the last step's guided picture from y; there is none before the first."""
        if "guided" not in self.memory:
            return {}
        judge = self.networks["FD"]
        fake, real = judge(self.memory["guided"]), judge(batch.ihc)
        terms = {"FD": discriminator_loss(fake, real, self.recipe.gan_mode)}
        self._learn(("FD",), terms, engine)
        return terms

    def _guide_step(
        self, translation: Guided, batch: Batch, engine: Engine
    ) -> tuple[dict[str, Tensor], Maps]:
        """Let FG, DP2 and F make a better guide; return losses and the guided pass's features.

        G and FD stand still; G runs as in use, without a power iteration of its spectral norms.
        """
        recipe, draws = self.recipe, draws_of_pictures(batch)
        with frozen(self.networks["FD"]), frozen(self._g), evaluating(self._g):
            seen = see(self.networks, self.sources, batch, translation.fake)
            made = make_guide(*self._fg, seen, recipe, draws)
            features, guided = guided_pass(self._g, batch.he, made, recipe)
            terms = self._guided_losses(guided, translation, batch)
            if recipe.compares:
                terms |= likenesses(made, seen, self.networks["DP2"], recipe)
            if recipe.contrasts:
                terms["SEL"] = self._structure(translation, seen, batch, draws)
        total = self._learn(("FG1", "FG2", "DP2", "F"), terms, engine)
        self.memory["guided"] = guided.detach()
        return terms | {"FG": total}, detached(features)

    def _structure(
        self, translation: Guided, seen: Seen, batch: Batch, draws: list[torch.Generator]
    ) -> Tensor:
        """Return SEL: the structure head must know ŷ's structure from a destroyed one."""
        recipe, head = self.recipe, self._fg[1]
        fake, strengths = translation.fake.detach(), self.memory["elastic"]
        views = draw_views(fake, batch.he, recipe, strengths, draws)
        letters = (self.sources.texture,)
        maps = [self.sources.features(self.networks, letters, view)[1] for view in views]
        anchor, same, other = (head.contrasted(m) for m in (seen.virtual[1], *maps))
        loss = structure_contrast(
            anchor, same, other, temperature=recipe.sel_temperature, margin=recipe.sel_margin
        )
        return recipe.lambda_sel * loss

    def _guided_losses(
        self, guided: Tensor, translation: Guided, batch: Batch
    ) -> dict[str, Tensor]:
        """Return what is asked of the guided picture itself."""
        recipe = self.recipe
        judged = gan_loss(self.networks["FD"](guided), real=True, mode=recipe.gan_mode).mean()
        terms = {"FG_GAN": recipe.lambda_gan_guided * judged}
        if recipe.lambda_nce_guided:
            queries = self._g.features(guided, recipe.nce_layers)
            nce = self.contrast("NCE_guided", queries, translation.he_maps, batch)
            terms["FG_NCE"] = recipe.lambda_nce_guided * nce
        if recipe.lambda_gp_guided:
            terms["FG_GP"] = recipe.lambda_gp_guided * recipe.pyramid(guided, batch.ihc)
        return terms

    def _generator_step(
        self, translation: Translation, batch: Batch, engine: Engine
    ) -> dict[str, Tensor]:
        with frozen(self.networks["D"]):
            terms = self.generator_losses(translation, batch)
        return terms | {"G": self._learn(("G", "DP", "F"), terms, engine)}

    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of G; a term whose weight is 0 is left out."""
        recipe = self.recipe
        assert isinstance(translation, Guided)
        terms = {"GAN": self.adversarial(translation.fake)}
        if recipe.lambda_nce:
            queries = self.encode_queries(translation)
            terms |= self.input_contrasts(queries, translation, batch, recipe.lambda_nce)
        if translation.teachers and recipe.lambda_guide:
            pictures = len(batch.he) if batch.whole is None else batch.whole
            weight = recipe.guide_weight(batch.step, pictures)
            terms["guide"] = weight * self._distance(translation)
        if recipe.lambda_gp:
            terms["GP"] = recipe.lambda_gp * recipe.pyramid(translation.fake, batch.ihc)
        if recipe.lambda_std:
            terms["std"] = variance_constraint(translation.fake, batch.ihc, recipe.lambda_std)
        return terms

    def _distance(self, translation: Guided) -> Tensor:
        pairs = list(zip(translation.students, translation.teachers, strict=True))
        if self.recipe.projects:
            return feature_distance(pairs, self.networks["DP"])
        return torch.stack([F.mse_loss(own, told) for own, told in pairs]).sum()

    def _learn(
        self, letters: tuple[str, ...], terms: Mapping[str, Tensor], engine: Engine
    ) -> Tensor:
        """Step the networks ``letters`` down the sum of ``terms``, and return the sum."""
        learning = [self.optimisers[letter] for letter in letters if letter in self.optimisers]
        for optimiser in learning:
            optimiser.zero_grad(set_to_none=True)
        total = torch.stack(list(terms.values())).sum()
        engine.backward(total)
        for optimiser in learning:
            engine.step(optimiser)
        return total
