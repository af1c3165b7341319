"""How good a model is on phantoms it never saw, translated as the product translates slides."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.measures.dab_agreement import DabAgreement
from napari_virtual_ihc.measures.overlap import Dice
from napari_virtual_ihc.measures.seam import SeamFigure
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.slides.phantom.pair_truth import write_window_truth
from napari_virtual_ihc.slides.phantom.pairs import Place
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import choose_windows
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MARKER = "Ki-67"
MPP = 0.5
SLIDE_PX = 8192
TILE_PX = 512
UNSEEN_SEEDS = range(400, 408)
TILES_PER_SEED = 10


def demo_phantom(seed: int) -> Phantom:
    """Return the phantom of a seed at the demo's size and scale."""
    return Phantom(seed, SLIDE_PX, SLIDE_PX, MPP, MARKER)


def places(seed: int, count: int, side: int, tumour: float) -> list[Place]:
    """Return places on a demo phantom, a share ``tumour`` of them rich in tumour."""
    phantom = demo_phantom(seed)
    chosen = choose_windows(phantom, count, side, tumour)
    return [Place(phantom, y, x, side) for y, x in chosen]


def evaluation_tiles(seed: int) -> list[Place]:
    """Return the tiles of an unseen phantom that are judged: rich in tumour, on the tile grid."""
    return places(seed, TILES_PER_SEED, TILE_PX, 1.0)


def write_truth(folder: Path, seed: int) -> None:
    """Write per square the truth, the ideal reader and hematoxylin, and true positivity."""
    phantom = demo_phantom(seed)
    ihc = phantom.ihc("same")
    for tile in evaluation_tiles(seed):
        box = (tile.y, tile.x, TILE_PX, TILE_PX)
        positive = dab_density(tile.cut(ihc)) >= DEFAULT_DAB.threshold
        write_window_truth(folder / f"{tile.name}.npz", phantom, box, positive=positive)


def write_all_truth(folder: Path, processes: int) -> None:
    """Write the truth of all unseen phantoms."""
    with ProcessPoolExecutor(processes) as pool:
        for job in [pool.submit(write_truth, folder, seed) for seed in UNSEEN_SEEDS]:
            job.result()


@dataclass
class Judged:
    """What was found: DAB area per square, Dice of positive pixels, seams between tiles."""

    agreement: DabAgreement
    dice: Dice
    seam: SeamFigure

    @classmethod
    def empty(cls) -> Judged:
        """Return one that has seen nothing."""
        where = "tumour, unseen phantoms"
        return cls(DabAgreement(MPP, DEFAULT_DAB.name, where=where), Dice(), SeamFigure(TILE_PX))

    def merge(self, other: Judged) -> None:
        """Add what ``other`` has seen."""
        self.agreement.merge(other.agreement)
        self.dice.merge(other.dice)
        self.seam.merge(other.seam)


def judge_seed(model_folder: Path, truth: Path, seed: int) -> Judged:
    """Translate the judged tiles of one unseen phantom as the product does; compare with truth."""
    judged = Judged.empty()
    slide = demo_phantom(seed).he()
    translator = Translator(load_model(model_folder), slide, device="cpu", tile=TILE_PX)
    for number, tile in enumerate(evaluation_tiles(seed)):
        address = TileAddress(0, tile.y // TILE_PX, tile.x // TILE_PX)
        virtual = virtual_tile(translator, address)
        positive = dab_density(virtual) >= DEFAULT_DAB.threshold
        with np.load(truth / f"{tile.name}.npz") as facts:
            judged.agreement.update(positive, facts["positive"], facts["tumour"])
            judged.dice.update(positive, facts["positive"], facts["tumour"])
        if number == 0:
            judged.seam.update(_with_neighbour(translator, address, virtual))
    return judged


def judge(model_folder: Path, truth: Path, processes: int) -> Judged:
    """Return what is found on all unseen phantoms."""
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(judge_seed, model_folder, truth, seed) for seed in UNSEEN_SEEDS]
        judged, *others = [job.result() for job in jobs]
    for other in others:
        judged.merge(other)
    return judged


def virtual_tile(translator: Translator, address: TileAddress) -> NDArray[np.uint8]:
    """Return the virtual IHC of a tile, (TILE_PX, TILE_PX, 3) uint8."""
    made = translator.produce([address], preview=lambda *_: None, cancelled=lambda: False)[address]
    if isinstance(made, TileFailure):
        raise SystemExit(f"Tile {address} failed: {made.reason}")
    return np.ascontiguousarray(made[..., :3])


def _with_neighbour(
    translator: Translator, address: TileAddress, virtual: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return a tile and the one beside it, computed apart, in one picture."""
    last = SLIDE_PX // TILE_PX - 1
    step = 1 if address.col < last else -1
    other = virtual_tile(translator, TileAddress(0, address.row, address.col + step))
    return np.concatenate([virtual, other][::step], axis=1)
