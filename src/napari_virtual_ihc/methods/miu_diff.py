"""MIU-Diff (arXiv 2506.23184), first stage: an unconditional diffusion of IHC.

The network learns what IHC looks like from IHC alone; H&E enters when it is sampled from
(`sampling`), guided by mutual information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch
from torch.nn import functional as F
from torch.optim import AdamW

from napari_virtual_ihc.methods.learner import Learner
from napari_virtual_ihc.methods.miu_diff_recipe import SCORE_PRESETS, MiuDiffRecipe
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.score_unet import SIZES, ScoreUnet, ScoreUnetConfig, at_step
from napari_virtual_ihc.sampling.chain import Chain
from napari_virtual_ihc.sampling.recipe import SamplerRecipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Artifact, Batch, Engine
    from napari_virtual_ihc.methods.recipe import Recipe

MIU_FIDELITY = "the paper alone, without public code; readings of it are named in the settings"
_LEVELS = {"01": 0.01, "05": 0.05, "15": 0.15, "30": 0.3, "60": 0.6, "95": 0.95}
_SHOWN = 3
_SHOWN_AT = 0.3
_SHOWN_STEPS = 20
_PROTOCOL = (
    "mean squared error of the noise the network tells, 1 where it tells nothing, central crops "
    "of the training's size noised"
)


class MiuDiff(Learner[MiuDiffRecipe]):
    """Score minimises mean (ε − ε̂(√ᾱ_t y + √(1 − ᾱ_t) ε, t))², t uniform, ε normal."""

    name: ClassVar[str] = "miu-diff"
    title: ClassVar[str] = "MIU-Diff (arXiv 2506.23184)"
    recipe_type: ClassVar[type[Recipe]] = MiuDiffRecipe
    artifact: ClassVar[Artifact] = "score"
    fidelity: ClassVar[str] = MIU_FIDELITY
    presets: ClassVar[Mapping[str, Recipe]] = SCORE_PRESETS
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {"w/o EMA": ("ema_decay=null",)}
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    protocols: ClassVar[Mapping[str, str]] = {
        "noise_error": f"{_PROTOCOL} to six levels",
        **{
            f"noise_error_{name}": f"{_PROTOCOL} to {share:.0%} of the steps learned"
            for name, share in _LEVELS.items()
        },
    }

    def __init__(self, recipe: MiuDiffRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        self.schedule = recipe.schedule
        self.notes = (
            "The score network of a diffusion that learned from IHC alone; it makes virtual IHC in "
            "many steps that start from noised H&E.",
        )

    @property
    def config(self) -> ScoreUnetConfig:
        """Shape of Score."""
        return SIZES[self.recipe.size]

    def _build_networks(self) -> dict[str, nn.Module]:
        return {"Score": ScoreUnet(self.config)}

    def _build_optimisers(self) -> dict[str, Optimizer]:
        recipe = self.recipe
        group = {"params": list(self.generator().parameters()), "initial_lr": recipe.lr}
        betas = (recipe.beta1, recipe.beta2)
        decay = recipe.weight_decay
        return {"Score": AdamW([group], lr=recipe.lr, betas=betas, weight_decay=decay)}

    def generator(self) -> nn.Module:
        """Return the network that tells noise."""
        return self.networks["Score"]

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of Score's architecture."""
        return "score-unet", describe(self.config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of Score."""
        network, optimiser = self.networks["Score"], self.optimisers["Score"]
        steps = drawn_steps(batch, self.recipe.learned_steps)
        noise = drawn_noise(batch)
        optimiser.zero_grad(set_to_none=True)
        told = network(self.schedule.noised(batch.ihc, noise, steps), steps)
        loss = F.mse_loss(told, noise)
        engine.backward(loss)
        engine.step(optimiser)
        return {"noise": loss.detach()}

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return the error of the told noise of a held-out batch, overall and level by level."""
        noise, errors = drawn_noise(batch), {}
        for name, share in _LEVELS.items():
            index = round(share * (self.recipe.learned_steps - 1))
            noised = self.schedule.noised(batch.ihc, noise, index)
            told = network(noised, at_step(noised, index))
            errors[f"noise_error_{name}"] = float(F.mse_loss(told, noise))
        return {"noise_error": sum(errors.values()) / len(errors), **errors}

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return IHC and, right of each, it noised, its estimate, and IHC made from noise alone.

        Where not all steps are learned, the last is not made from noise alone but from as much of
        it as if it were.
        """
        ihc, noise = batch.ihc[:_SHOWN], drawn_noise(batch)[:_SHOWN]
        index = round(_SHOWN_AT * (self.recipe.learned_steps - 1))
        noised = self.schedule.noised(ihc, noise, index)
        told = network(noised, at_step(noised, index))
        made = self._unguided(network, noise)
        columns = [ihc, noised, self.schedule.clean(noised, told, index), made]
        rows = torch.cat([column.clamp(-1, 1) for column in columns], dim=3)
        return torch.cat(list(rows), dim=1)

    def _unguided(self, network: nn.Module, noise: Tensor) -> Tensor:
        recipe = SamplerRecipe(
            train_steps=self.recipe.train_steps,
            beta_first=self.recipe.beta_first,
            beta_last=self.recipe.beta_last,
            start=self.recipe.learned_steps,
            steps=min(_SHOWN_STEPS, self.recipe.learned_steps),
            sampler="dpm",
            spacing="quadratic",
            guidance="off",
            refinement="off",
        )
        chain = Chain(recipe, score_of(network))
        return chain.sample(noise)


class _Score:
    """A score network as a chain asks it."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __call__(self, y: Tensor, index: int) -> Tensor:
        return cast("Tensor", self._network(y, at_step(y, index)))


def score_of(network: nn.Module) -> _Score:
    """Return a score network as `sampling.chain.Chain` asks it: (y_i, i) → ε̂."""
    return _Score(network)


def drawn_steps(batch: Batch, below: int) -> Tensor:
    """Return a step from 0 to ``below`` − 1 for each picture, (B,) int64, on their device."""
    source = batch.generator
    steps = batch.per_picture(lambda count: torch.randint(below, (count,), generator=source))
    return steps.to(batch.ihc.device)


def drawn_noise(batch: Batch) -> Tensor:
    """Return standard normal noise of the shape of the batch's IHC, on its device."""
    shape, source = batch.ihc.shape[1:], batch.generator
    noise = batch.per_picture(lambda count: torch.randn(count, *shape, generator=source))
    return noise.to(batch.ihc)
