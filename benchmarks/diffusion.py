"""What a diffusion's steps buy: seconds a tile against likeness to the true IHC.

Tiles of phantoms that no model saw are made with the Translator, as on screen: by plain colour
transfer (Reinhard), by the chain that nothing guides, and by the model's own sampler at several
counts of steps; with ``--ablations`` also by the rows of MIU-Diff's ablation tables, each at
``--ablation-steps``. Every row is judged on the same tiles, the longest chains on fewer of them.

Run as ``python benchmarks/diffusion.py MODEL --json`` from a checkout.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_virtual_ihc.measures.correlation import pearson
from napari_virtual_ihc.measures.dab_agreement import DabAgreement
from napari_virtual_ihc.measures.difference import GreyDifference
from napari_virtual_ihc.measures.seam import SeamFigure
from napari_virtual_ihc.measures.stain_quantity import HistogramLikeness, Iod
from napari_virtual_ihc.measures.vif import Vif
from napari_virtual_ihc.models.library import Library
from napari_virtual_ihc.sampling.recipe import ABLATIONS
from napari_virtual_ihc.sampling.structure import structure_map
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import choose_windows
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.stains.dab_grey import dab_grey_density
from napari_virtual_ihc.stains.lab import LabStatistics, reinhard
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.colours import collect_colours, lab_of
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.translation.calibration import Statistics

    Picture = NDArray[np.uint8]

SLIDE_PX = 8192
SLIDE_MPP = 0.5
SEEDS = range(400, 408)
TILE = 128
SQUARE_UM = 64.0
SHORT = 50
"""Most steps of a chain that is judged on all tiles, and whose seam is measured."""


@dataclass(frozen=True)
class Scene:
    """A tile of an unseen phantom: where it is, its H&E, its true IHC, where tumour lies."""

    phantom: Phantom
    address: TileAddress
    he: Picture
    ihc: Picture
    tumour: NDArray[np.bool_]


def scenes(count: int, mpp: float) -> Iterator[Scene]:
    """Yield tiles rich in tumour, evenly from all unseen phantoms, on the model's grid."""
    side = round(TILE * mpp / SLIDE_MPP)
    for number in range(count):
        phantom = Phantom(SEEDS[number % len(SEEDS)], SLIDE_PX, SLIDE_PX, SLIDE_MPP, "Ki-67")
        place = number // len(SEEDS)
        y, x = choose_windows(phantom, place + 1, side, 1.0)[place]
        um = y * SLIDE_MPP, x * SLIDE_MPP
        he, ihc = (
            slide.region(*um, TILE, TILE, mpp).pixels
            for slide in (phantom.he(), phantom.ihc("same"))
        )
        step = round(mpp / SLIDE_MPP)
        tumour = phantom.tumour_mask(y, x, side, side)[::step, ::step]
        yield Scene(phantom, TileAddress(0, y // side, x // side), he, ihc, tumour)


@lru_cache
def colours_of(phantom: Phantom, mpp: float) -> Statistics:
    """Return the colours of a phantom's H&E, measured once for all rows."""
    return collect_colours(phantom.he(), mpp)


@dataclass
class Row:
    """All figures of one way to make IHC, fed tile by tile."""

    mpp: float
    seconds: list[float] = field(default_factory=list)
    grey: GreyDifference = field(default_factory=GreyDifference)
    vif: Vif = field(default_factory=Vif)
    iod: Iod = field(default_factory=Iod)
    hist: HistogramLikeness = field(default_factory=HistogramLikeness)
    structure: list[float] = field(default_factory=list)
    dab: DabAgreement = field(init=False)

    def __post_init__(self) -> None:
        """Set up what needs the scale."""
        self.dab = DabAgreement(
            self.mpp, DEFAULT_DAB.name, SQUARE_UM, where="tumour, unseen phantoms"
        )

    def update(self, scene: Scene, virtual: Picture, seconds: float) -> None:
        """Add a tile."""
        self.seconds.append(seconds)
        self.grey.update(virtual, scene.ihc)
        self.vif.update(virtual, scene.ihc)
        self.iod.update(dab_grey_density(virtual), dab_grey_density(scene.ihc))
        self.hist.update(virtual, scene.ihc)
        self.structure.append(likeness(virtual, scene.he))
        positive = (dab_density(part) >= DEFAULT_DAB.threshold for part in (virtual, scene.ihc))
        self.dab.update(*positive, scene.tumour)

    def compute(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        agreement, low_high = self.dab.compute(), interval(self.structure)
        return {
            "tiles": len(self.seconds),
            "seconds_per_tile": round(float(np.mean(self.seconds)), 2),
            "psnr": round(self.grey.psnr, 2),
            "vif": round(self.vif.compute(), 4),
            "iod_error": round(self.iod.compute().relative_error, 3),
            "hist": round(self.hist.compute(), 4),
            "dab_r": round(agreement.correlation.r, 3),
            "dab_r_interval": [round(agreement.correlation.low, 3),
                               round(agreement.correlation.high, 3)],
            "dab_bias": round(agreement.bias, 3),
            "structure_r": round(float(np.mean(self.structure)), 3),
            "structure_r_interval": [round(value, 3) for value in low_high],
        }  # fmt: skip


def likeness(virtual: Picture, he: Picture) -> float:
    """Return Pearson's r of the gradient maps of two pictures."""
    maps = [structure_map(torch.from_numpy(part.copy()).permute(2, 0, 1)[None] / 127.5 - 1)
            for part in (virtual, he)]  # fmt: skip
    return pearson(*(found.double().numpy().ravel() for found in maps))


def interval(values: list[float]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a mean, by 1000 draws over tiles."""
    draws = np.random.default_rng(0).choice(values, (1000, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


class Made:
    """Makes tiles with the Translator, one for each phantom."""

    def __init__(self, model: Model, fields: dict[str, object]) -> None:
        assert isinstance(model.card.sampler, dict)
        sampler = model.card.sampler | fields
        self._model = replace(model, card=model.card.model_copy(update={"sampler": sampler}))
        self._translators: dict[int, Translator] = {}

    def __call__(self, scene: Scene) -> tuple[Picture, float]:
        """Return a tile and the seconds it took."""
        translator = self.translator(scene)
        start = time.perf_counter()
        made = translator.produce(
            [scene.address], preview=lambda *_: None, cancelled=lambda: False
        )[scene.address]
        if isinstance(made, TileFailure):
            raise SystemExit(f"Tile {scene.address} failed: {made.reason}")
        return np.ascontiguousarray(made[..., :3]), time.perf_counter() - start

    def translator(self, scene: Scene) -> Translator:
        """Return the translator of a scene's slide, ready."""
        seed = scene.phantom.seed
        if seed not in self._translators:
            measured = colours_of(scene.phantom, self._model.card.mpp_in)
            self._translators[seed] = Translator(
                self._model, scene.phantom.he(), device="cpu", tile=TILE, measured=measured
            )
            self._translators[seed].prepare()
        return self._translators[seed]

    def seam(self, scene: Scene) -> float:
        """Return the seam figure of 2 × 2 tiles that were made apart."""
        at, translator = scene.address, self.translator(scene)
        row, col = min(at.row, translator.grid.rows - 2), min(at.col, translator.grid.cols - 2)
        tiles = [[TileAddress(0, row + i, col + j) for j in (0, 1)] for i in (0, 1)]
        made = translator.produce(
            [tile for line in tiles for tile in line],
            preview=lambda *_: None, cancelled=lambda: False,
        )  # fmt: skip
        figure = SeamFigure(TILE)
        figure.update(np.block([[[np.asarray(made[tile])[..., :3]] for tile in line]
                                for line in tiles]))  # fmt: skip
        return figure.compute()


class Transferred:
    """The H&E with the colours of the training IHC, nothing else."""

    def __init__(self, model: Model) -> None:
        known = model.card.output_lab
        assert not isinstance(known, str)
        self._target = LabStatistics(tuple(known.mean), tuple(known.std))  # type: ignore[arg-type]
        self._mpp = model.card.mpp_in

    def __call__(self, scene: Scene) -> tuple[Picture, float]:
        """Return a tile and the seconds it took."""
        known = lab_of(colours_of(scene.phantom, self._mpp))
        start = time.perf_counter()
        made = reinhard(scene.he, known, self._target)
        return made, time.perf_counter() - start


def few(steps: int) -> dict[str, object]:
    """Return the fields of a chain of so many steps, as the product chooses them."""
    if steps <= SHORT:
        return {"steps": steps, "sampler": "dpm", "spacing": "quadratic"}
    return {"steps": steps, "start": steps, "sampler": "ddpm", "spacing": "even"}


class Way(NamedTuple):
    """How a row is made: tiles it is judged on, what makes them, whether its seam is measured."""

    tiles: int
    make: Callable[[Scene], tuple[Picture, float]]
    seam: bool = False


def ways(model: Model, words: argparse.Namespace) -> dict[str, Way]:
    """Return the rows by name."""
    off = few(words.ablation_steps) | {"guidance": "off", "refinement": "off"}
    rows = {
        "Reinhard": Way(words.tiles, Transferred(model)),
        "unguided": Way(words.tiles, Made(model, off)),
    }
    for steps in words.steps:
        short = steps <= SHORT
        count = words.tiles if short else words.long_tiles
        rows[f"{steps} steps"] = Way(count, Made(model, few(steps)), short)
    for name, fields in ABLATIONS.items() if words.ablations else ():
        shorter = few(words.ablation_steps) | {k: v for k, v in fields.items() if k != "steps"}
        rows[name] = Way(words.tiles, Made(model, shorter))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="diffusion model: name in the library or folder")
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--steps", type=int, nargs="*", default=[10, 20, 50, 300])
    parser.add_argument("--long-tiles", type=int, default=4, help="tiles of chains over 50 steps")
    parser.add_argument("--ablations", action="store_true", help="rows of the paper's tables too")
    parser.add_argument("--ablation-steps", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--pictures", type=Path, help="folder for tiles side by side")
    words = parser.parse_args()
    model = Library().get(words.model)
    known = list(scenes(max(words.tiles, words.long_tiles), model.card.mpp_in))
    rows = {}
    for name, way in ways(model, words).items():
        row = Row(model.card.mpp_in)
        for scene in known[: way.tiles]:
            virtual, seconds = way.make(scene)
            row.update(scene, virtual, seconds)
            if words.pictures is not None:
                keep(words.pictures, name, scene, virtual)
        rows[name] = row.compute()
        if way.seam and isinstance(way.make, Made):
            rows[name]["seam"] = round(way.make.seam(known[0]), 2)
        if not words.json:
            print(name, rows[name], flush=True)
    if words.json:
        protocol = Row(model.card.mpp_in).dab.protocol
        print(json.dumps({"model": model.card.name, "dab": protocol, "rows": rows}, indent=1))


def keep(folder: Path, name: str, scene: Scene, virtual: Picture) -> None:
    """Write H&E, virtual and true IHC of a tile side by side."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    file = f"{scene.phantom.seed}-{scene.address.row}-{scene.address.col}-{name}.png"
    joined = np.concatenate([scene.he, virtual, scene.ihc], axis=1)
    Image.fromarray(joined).save(folder / re.sub(r"[ '/]", "_", file))


if __name__ == "__main__":
    main()
