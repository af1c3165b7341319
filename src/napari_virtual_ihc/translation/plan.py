"""How a model is laid over a slide: grid, blocks and margins, from card and device alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.tiles.grid import TileGrid, ceil_div
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.translation.blocks import BlockPlan

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.slides.slide import Slide

Mode = Literal["slide", "tile", "dense", "none", "reference", "sampled"]
Box = tuple[float, float, float, float]
"""Part of a slide in µm: y, x, height, width."""
MODES = ("slide", "tile", "dense")
_BLENDED_MARGIN = 128
_SAMPLED_MARGIN = 32
_TILE = 512
_SAMPLED_TILE = 256
_FINE_STEP = 32
_COARSE_STEP = 256
_GROUPS = {"cpu": 2, "mps": 2, "cuda": 4}
_SAMPLED_GROUPS = {"cpu": 1, "mps": 1, "cuda": 2}
_FAR = 1.5


@dataclass(frozen=True)
class Facts:
    """What tiling needs to know of a network.

    Attributes
    ----------
    stride
        Downsampling of the network: tiles and forwards lie on multiples of it.
    normed
        Whether it has instance norms, whose statistics are to be chosen.
    margin
        Pixels around a core that are read and discarded.
    exact
        Whether tiled equals untiled where statistics are frozen.
    foldable
        Whether frozen norms can be folded into convolutions.
    as_tested
        Whether norms stay live and dropout active (`ModelCard.reference_test_mode`).
    sampled
        Whether it is a diffusion, whose tiles take many steps.
    """

    stride: int
    normed: bool
    margin: int
    exact: bool
    foldable: bool
    as_tested: bool = False
    sampled: bool = False

    @property
    def tile(self) -> int:
        """Side of a tile in px unless asked otherwise: small where it takes long."""
        return _SAMPLED_TILE if self.sampled else _TILE


def facts_of(card: ModelCard) -> Facts:
    """Return the facts of a model card.

    Raises
    ------
    ModelError
        If the model translates no slides, or gives pixels of another size than it reads.
    """
    from napari_virtual_ihc.networks.folding import FOLDABLE
    from napari_virtual_ihc.networks.miu_diff import MiuDiffConfig
    from napari_virtual_ihc.networks.registry import GeneratorConfig, configure

    config = configure(card.architecture, card.arguments)
    _require_same_scale(card)
    if card.kind == "diffusion" and isinstance(config, MiuDiffConfig):
        margin = ceil_div(_SAMPLED_MARGIN, config.stride) * config.stride
        return Facts(config.stride, False, margin, False, False, sampled=True)
    if card.kind != "generator" or not isinstance(config, GeneratorConfig):
        raise ModelError(f"Model {card.name!r} is of kind {card.kind} and cannot translate slides.")
    if (config.input_nc, config.output_nc) != (3, 3):
        raise ModelError(f"Model {card.name!r} does not translate RGB to RGB.")
    stride, exact = config.stride, card.tiling == "exact"
    margin = ceil_div(card.dependency_radius or 0, stride) * stride if exact else _BLENDED_MARGIN
    live = card.reference_test_mode
    normed, foldable = config.norm == "instance", isinstance(config, FOLDABLE) and not live
    return Facts(stride, normed, margin, exact, foldable, live)


def _require_same_scale(card: ModelCard) -> None:
    if abs(card.mpp_in / card.mpp_out - 1) > 1e-6:
        raise ModelError(
            f"Model {card.name!r} reads {card.mpp_in} and gives {card.mpp_out} µm/px; its "
            "architecture keeps the scale, so 'mpp_in' and 'mpp_out' must agree."
        )


def mode_of(asked: str, facts: Facts) -> Mode:
    """Return the statistics mode in effect; networks without instance norms need none.

    ``reference`` is that of models in reference test mode, whatever is asked, and ``sampled``
    that of diffusions.

    Raises
    ------
    UsageError
        If the word is unknown.
    """
    if asked not in MODES:
        raise UsageError(f"Unknown statistics {asked!r}; take one of {', '.join(MODES)}.")
    if facts.as_tested:
        return "reference"
    if facts.sampled:
        return "sampled"
    if not facts.normed:
        return "none"
    known: dict[str, Mode] = {"slide": "slide", "tile": "tile", "dense": "dense"}
    return known[asked]


def asked_for(mode: str) -> str:
    """Return the word with which `mode_of` gives ``mode`` again."""
    return mode if mode in MODES else "slide"


def grid_of(slide: Slide, card: ModelCard, tile: int) -> TileGrid:
    """Return the model's grid on a slide.

    Raises
    ------
    MissingScaleError
        If the slide's scale is unknown.
    UsageError
        If tiles of that side do not lie on the network's lattice.
    """
    if tile < _FINE_STEP or tile % _FINE_STEP:
        raise UsageError(f"The tile side must be a multiple of {_FINE_STEP} px, not {tile}.")
    height, width = (max(round(side / card.mpp_out), 1) for side in slide.size_um)
    return TileGrid(height, width, tile, card.mpp_out)


def wanted_tiles(grid: TileGrid, region: Box | None) -> list[TileAddress]:
    """Return the tiles that touch a region, or all where it is None.

    Raises
    ------
    UsageError
        If the region holds none.
    """
    if region is None:
        return [TileAddress(0, row, col) for row, col in np.ndindex(grid.rows, grid.cols)]
    y, x, h, w = (side / grid.mpp for side in region)
    bounds = (math.floor(y), math.ceil(y + h), math.floor(x), math.ceil(x + w))
    wanted = [TileAddress(0, row, col) for row, col in grid.covering(*bounds)]
    if not wanted or h <= 0 or w <= 0:
        raise UsageError("The region (y, x, height, width in µm) does not touch the slide.")
    return wanted


def plan_of(grid: TileGrid, facts: Facts, mode: Mode, device: str, backend: str) -> BlockPlan:
    """Return the blocks: several tiles to a forward wherever it pays and changes nothing."""
    if mode == "tile":
        return BlockPlan(grid, 1, 0, max(grid.tile, facts.stride))
    if mode == "sampled":
        group = _SAMPLED_GROUPS[device]
        return BlockPlan(grid, group, facts.margin, facts.stride, 2 * facts.margin)
    if not facts.exact:
        return BlockPlan(grid, _GROUPS["cpu"], facts.margin, facts.stride, 2 * facts.margin)
    if mode == "dense":
        return BlockPlan(grid, 1, facts.margin, _FINE_STEP)
    coarse = grid.tile if grid.tile % _COARSE_STEP else _COARSE_STEP
    step = coarse if backend == "openvino" else _FINE_STEP
    return BlockPlan(grid, _GROUPS[device], facts.margin, step)


def scale_notes(slide: Slide, card: ModelCard) -> tuple[str, ...]:
    """Return a sentence where the slide's scale is far from the model's, else nothing."""
    own = slide.require_mpp()
    if 1 / _FAR <= own / card.mpp_in <= _FAR:
        return ()
    way = "up, which adds no detail" if own > card.mpp_in else "down"
    return (
        f"{slide.name} has {own:.4g} µm/px and {card.name} was made for {card.mpp_in:.4g}: the "
        f"slide is resampled {way}.",
    )
