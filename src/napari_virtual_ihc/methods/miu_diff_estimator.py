"""MIU-Diff's estimator of mutual information, of MINE type (Belghazi et al. 2018).

It learns from IHC alone: a map of structure and the stained picture, noised, either of one place or
of two. When the diffusion is sampled, the map is that of the H&E.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.mutual_information import bound, clamped, corrected_loss
from napari_virtual_ihc.methods.learner import Learner
from napari_virtual_ihc.methods.miu_diff import MIU_FIDELITY, drawn_noise, drawn_steps
from napari_virtual_ihc.methods.miu_diff_recipe import ESTIMATOR_PRESETS, MiuDiffEstimatorRecipe
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.statistics_network import StatisticsConfig, StatisticsNetwork
from napari_virtual_ihc.sampling.structure import rolled_views, structure_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_virtual_ihc.methods.base import Artifact, Batch, Engine
    from napari_virtual_ihc.methods.recipe import Recipe

LEAST_INFORMATION = 0.05
"""Nats by which true pairs must exceed shuffled ones for an estimator to count as converged."""
_VIEWS = 8
_SHOWN = 3
_PROTOCOL = (
    "lower bound in nats, as trained, of the structure and the noised picture of held-out IHC, per "
    "place of the network's output, central crops of the training's size"
)


class MiuDiffEstimator(Learner[MiuDiffEstimatorRecipe]):
    """G raises a lower bound on I(structure; noised IHC), shuffled within the batch."""

    name: ClassVar[str] = "miu-diff-estimator"
    title: ClassVar[str] = "MIU-Diff (arXiv 2506.23184), estimator of mutual information"
    recipe_type: ClassVar[type[Recipe]] = MiuDiffEstimatorRecipe
    artifact: ClassVar[Artifact] = "estimator"
    fidelity: ClassVar[str] = MIU_FIDELITY
    presets: ClassVar[Mapping[str, Recipe]] = ESTIMATOR_PRESETS
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "NWJ": ("bound=nwj",),
        "w/o bias correction": ("correction_rate=1",),
        "smoothed": ("structure=smoothed",),
        "edges": ("structure=edges",),
    }
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    protocols: ClassVar[Mapping[str, str]] = {
        "mutual_information": f"{_PROTOCOL}; shuffled: maps of the other pictures of the batch, "
        "of a picture alone its own rolled and mirrored",
        "rolled_information": f"{_PROTOCOL}; shuffled: {_VIEWS} views of the picture's own map, "
        "rolled and mirrored, as when a diffusion is guided",
        "shuffled_information": f"{_PROTOCOL}; of pairs that were shuffled, to be 0 or less",
    }

    def __init__(self, recipe: MiuDiffEstimatorRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        self.schedule = recipe.schedule
        self.notes = (
            "An estimator of the mutual information of structure and IHC; it serves the guidance "
            "of a diffusion and makes no IHC.",
        )

    @property
    def config(self) -> StatisticsConfig:
        """Shape of G."""
        return StatisticsConfig(self.recipe.widths, timed=self.recipe.noised)

    def _build_networks(self) -> dict[str, nn.Module]:
        return {"G": StatisticsNetwork(self.config)}

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of G's architecture."""
        return "statistics-network", describe(self.config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of G."""
        network, optimiser = self.networks["G"], self.optimisers["G"]
        assert isinstance(network, StatisticsNetwork)
        optimiser.zero_grad(set_to_none=True)
        structure = network.encode_structure(structure_map(batch.ihc, self.recipe.structure))
        stain = network.encode_stain(*self._noised(batch))
        turn = 1 + int(torch.randint(len(batch.ihc) - 1, (), generator=batch.generator))
        joint = network.score(structure, stain).flatten()
        marginal = network.score(structure.roll(turn, 0), stain).flatten()
        loss = self._loss(joint, marginal)
        engine.backward(loss)
        engine.step(optimiser)
        return {"information": bound(self.recipe.bound, joint, marginal).detach()}

    def _loss(self, joint: Tensor, marginal: Tensor) -> Tensor:
        """Return the negative bound; that of Donsker-Varadhan with MINE's gradient."""
        if self.recipe.bound == "nwj":
            return -bound("nwj", joint, marginal)
        average = self.memory.get("log_average")
        rate = self.recipe.correction_rate
        pair = clamped(joint), clamped(marginal)
        loss, self.memory["log_average"] = corrected_loss(*pair, average, rate)
        return loss

    def _noised(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the stained pictures as G learns them, and their steps, (B,)."""
        steps = drawn_steps(batch, self.recipe.start)
        if not self.recipe.noised:
            return batch.ihc, steps
        return self.schedule.noised(batch.ihc, drawn_noise(batch), steps), steps

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return the information of a held-out batch: of true pairs, and of shuffled ones."""
        joint, others, rolled = self._scores(network, batch)
        flat = rolled.flatten()
        return {
            "mutual_information": self._bound(joint, others),
            "rolled_information": self._bound(joint, flat),
            "shuffled_information": self._bound(rolled[:, 0].flatten(), others),
        }

    def _bound(self, joint: Tensor, marginal: Tensor) -> float:
        return float(bound(self.recipe.bound, joint.flatten(), marginal.flatten()))

    def _scores(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of true pairs, of other pictures' maps, and of rolled maps, (N, K, …)."""
        maps = structure_map(batch.ihc, self.recipe.structure)
        stain, steps = self._noised(batch)
        views = rolled_views(maps, _VIEWS, batch.generator)
        again = (part.repeat_interleave(_VIEWS, dim=0) for part in (stain, steps))
        rolled = network(views.flatten(0, 1), *again).unflatten(0, (len(maps), _VIEWS))
        others = network(maps.roll(1, 0), stain, steps) if len(maps) > 1 else rolled[:, 1:]
        return network(maps, stain, steps), others, rolled

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return noised IHC, its structure, and how well G finds either to fit the other.

        The last two columns are the scores of the own map and of a rolled one, from black (does
        not belong) to white.
        """
        maps = structure_map(batch.ihc, self.recipe.structure)[:_SHOWN]
        stain, steps = (part[:_SHOWN] for part in self._noised(batch))
        rolled = rolled_views(maps, 1, batch.generator)[:, 0]
        found = [network(view, stain, steps).sigmoid() for view in (maps, rolled)]
        side = stain.shape[2:]
        greys = [maps, *(F.interpolate(scores, size=side) for scores in found)]
        columns = [stain.clamp(-1, 1), *((2 * grey - 1).expand_as(stain) for grey in greys)]
        return torch.cat(list(torch.cat(columns, dim=3)), dim=1)


def convergence_problem(figures: Mapping[str, float]) -> str | None:
    """Return a sentence where an estimator's figures show that it has not learned, else None.

    Parameters
    ----------
    figures
        Figure → value, as the card of an estimator has them; those of its protocols are wanted.
    """
    true, shuffled = (figures.get(f"{kind}_information") for kind in ("mutual", "shuffled"))
    if true is None or shuffled is None:
        return "The estimator of mutual information was never examined on held-out pictures."
    if true - max(shuffled, 0.0) < LEAST_INFORMATION:
        return (
            f"The estimator of mutual information has not converged: {true:.3f} nats of true pairs "
            f"and {shuffled:.3f} of shuffled ones."
        )
    return None
