"""H&E of unseen phantoms with a fault in one square, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.faults import Square, enlarged, inject
from napari_virtual_ihc.slides.phantom.windows import choose_windows
from napari_virtual_ihc.slides.source import all_valid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.faults import Fault
    from napari_virtual_ihc.slides.source import Pixels

    Values = NDArray[np.float64]

SIDE, MPP = 1024, 0.5
PLACE = Square(256, 256, 512)


@dataclass(frozen=True)
class Scene:
    """A window of an unseen phantom: pictures, true DAB OD and where tumour is."""

    name: str
    he: NDArray[np.uint8]
    ihc: NDArray[np.uint8]
    dab: NDArray[np.float32]
    tumour: NDArray[np.bool_]


class Picture:
    """A picture in memory as a slide's source."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        self._rgb = rgb
        self.shapes = (rgb.shape[:2],)
        self.tile_shapes = ((256, 256),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return a window."""
        return all_valid(self._rgb[y : y + h, x : x + w].copy())


def scene(seed: int, folder: Path) -> Scene:
    """Return the scene of a seed, drawn once."""
    file = folder / f"{seed}.npz"
    if not file.exists():
        phantom = Phantom(seed, 6144, 6144, MPP, "Ki-67")
        (y, x), *_ = choose_windows(phantom, 1, SIDE, 1.0)
        box = (y, x, SIDE, SIDE)
        pictures = {
            "he": phantom.he().source.read(0, *box)[0], "ihc": phantom.ihc().source.read(0, *box)[0]
        }  # fmt: skip
        np.savez(file, dab=phantom.dab(*box), tumour=phantom.tumour_mask(*box), **pictures)
    with np.load(file) as arrays:
        return Scene(str(seed), **{name: arrays[name] for name in ("he", "ihc", "dab", "tumour")})


def spoiled(one: Scene, fault: Fault) -> Scene:
    """Return a scene with a fault; what is true follows the picture where that is enlarged."""
    dab, tumour = one.dab.copy(), one.tumour.copy()
    if fault == "wrong scale":
        dab[PLACE.slices] = enlarged(one.dab, PLACE)
        tumour[PLACE.slices] = enlarged(one.tumour, PLACE, order=0)
    return Scene(f"{one.name} {fault}", inject(fault, one.he, one.ihc, PLACE, MPP), one.ihc, dab,
                 tumour)  # fmt: skip


def roc_area(positive: Values, negative: Values) -> float:
    """Return the chance that a cell inside has the higher value; nan cells do not count."""
    high, low = (values[np.isfinite(values)] for values in (positive, negative))
    if not high.size or not low.size:
        return float("nan")
    ranks = np.searchsorted(np.sort(low), high, "left") + np.searchsorted(
        np.sort(low), high, "right"
    )
    return float(ranks.mean() / 2 / low.size)


def area_under(errors: Values, distrust: Values) -> float:
    """Return the mean, over all shares kept, of the mean error of those trusted most."""
    return float(_risks(errors, distrust).mean())


def curve(errors: Values, distrust: Values) -> list[float]:
    """Return the mean error of the 10, 20, …, 100 % that are trusted most."""
    risks = _risks(errors, distrust)
    kept = np.ceil(np.arange(1, 11) * len(risks) / 10).astype(int)
    return [round(float(risk), 4) for risk in risks[kept - 1]]


def _risks(errors: Values, distrust: Values) -> Values:
    kept = errors[np.argsort(distrust, kind="stable")]
    return np.asarray(np.cumsum(kept) / np.arange(1, len(kept) + 1), np.float64)
