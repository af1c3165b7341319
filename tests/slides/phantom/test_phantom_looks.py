"""Optical densities, spectra, nuclei and artefacts lie where real slides have them.

Ranges are those measured on real H&E and DAB fields: optical density −log10((I + 1)/256) of
pixels with a sum over 0.15, percentiles 5, 50, 95, and the exponent of the radial power spectrum
between 1/128 and 0.4 cycles per pixel; nuclear sizes and densities are textbook values.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.color import rgb2hed

from napari_virtual_ihc.slides.phantom import CellKind, Phantom
from napari_virtual_ihc.slides.phantom.noise import Grid
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.stains.identity import stain_kind
from napari_virtual_ihc.stains.tissue import pen_mask

OD_RANGES = {
    "red": ((0.04, 0.12), (0.10, 0.34), (0.33, 0.80)),
    "green": ((0.08, 0.18), (0.18, 0.52), (0.46, 1.13)),
    "blue": ((0.07, 0.13), (0.14, 0.29), (0.27, 0.64)),
}
HED_RANGES = {
    "hematoxylin": ((0.000, 0.024), (0.016, 0.074), (0.070, 0.177)),
    "eosin": ((0.000, 0.010), (0.004, 0.027), (0.014, 0.063)),
    "dab": ((0.008, 0.017), (0.021, 0.039), (0.035, 0.082)),
}


def density(rgb: np.ndarray) -> np.ndarray:
    return -np.log10((rgb.astype(float) + 1) / 256)


def spectrum_slope(rgb: np.ndarray) -> float:
    level = rgb.astype(float).mean(-1)
    n = min(level.shape)
    window = np.hanning(n)
    level = (level[:n, :n] - level[:n, :n].mean()) * window[:, None] * window
    power = np.abs(np.fft.fftshift(np.fft.fft2(level))) ** 2
    rows, cols = np.indices(power.shape)
    frequency = np.hypot(rows - n // 2, cols - n // 2) / n
    edges = np.logspace(np.log10(1 / 128), np.log10(0.4), 24)
    bands = list(pairwise(edges))
    mean = [power[(frequency >= a) & (frequency < b)].mean() for a, b in bands]
    return float(np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(mean), 1)[0])


def inside(values: np.ndarray, ranges: tuple[tuple[float, float], ...]) -> bool:
    found = np.percentile(values, [5, 50, 95])
    return all(
        low - 0.005 <= v <= high + 0.005 for v, (low, high) in zip(found, ranges, strict=True)
    )


@pytest.fixture(scope="module")
def tissue(fields_of_view: list[np.ndarray]) -> np.ndarray:
    pixels = np.concatenate([field.reshape(-1, 3) for field in fields_of_view])
    return pixels[density(pixels).sum(-1) > 0.15]


@pytest.mark.parametrize("channel", range(3), ids=OD_RANGES)
def test_optical_densities(tissue: np.ndarray, channel: int) -> None:
    ranges = OD_RANGES[("red", "green", "blue")[channel]]
    assert inside(density(tissue)[:, channel], ranges)


@pytest.mark.parametrize("channel", range(3), ids=HED_RANGES)
def test_separated_stains(tissue: np.ndarray, channel: int) -> None:
    ranges = HED_RANGES[("hematoxylin", "eosin", "dab")[channel]]
    assert inside(rgb2hed(tissue)[:, channel], ranges)


def test_power_spectrum_of_he(fields_of_view: list[np.ndarray]) -> None:
    slopes = [spectrum_slope(field) for field in fields_of_view]
    assert -3.1 <= np.median(slopes) <= -1.3


def test_power_spectrum_of_dab_at_40x() -> None:
    made = Phantom(5, 4096, 4096, 0.25)
    slopes = []
    for row, col in tumour_blocks(made)[:3]:
        slopes.append(spectrum_slope(made.ihc().source.read(0, row * 512, col * 512, 512, 512)[0]))
    assert -3.9 <= np.median(slopes) <= -2.9


def test_stains_are_recognised(phantom: Phantom) -> None:
    row, col = tumour_blocks(phantom)[0]
    window = (0, row * 512, col * 512, 512, 512)
    assert stain_kind(phantom.he().source.read(*window)[0]) == "he"
    assert stain_kind(phantom.ihc().source.read(*window)[0]) == "ihc"


@pytest.fixture(scope="module")
def all_cells(phantom: Phantom) -> np.ndarray:
    return phantom.cells(0.0, 0.0, *phantom.size_um)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (CellKind.LYMPHOCYTE, 6.0, 8.0),
        (CellKind.EPITHELIUM, 7.0, 9.0),
        (CellKind.TUMOUR, 9.0, 16.0),
    ],
)
def test_nuclear_diameters(all_cells: np.ndarray, kind: CellKind, low: float, high: float) -> None:
    diameters = all_cells["diameter"][all_cells["kind"] == kind]
    assert low <= np.median(diameters) <= high
    assert 0.7 * low <= np.percentile(diameters, 2) <= np.percentile(diameters, 98) <= 1.15 * high


def test_fibroblasts_are_spindles(all_cells: np.ndarray) -> None:
    cells = all_cells[all_cells["kind"] == CellKind.FIBROBLAST]
    long, short = (cells["diameter"] * cells["aspect"] ** power for power in (0.5, -0.5))
    assert 2 <= np.median(short) <= 4
    assert 10 <= np.median(long) <= 20


@pytest.mark.parametrize(
    ("kind", "where", "low", "high"),
    [
        (CellKind.TUMOUR, "nest", 3000, 7000),
        (CellKind.LYMPHOCYTE, "lymphoid", 9000, 15000),
        (CellKind.FIBROBLAST, "stroma", 400, 1500),
    ],
)
def test_cells_per_mm2(
    phantom: Phantom, all_cells: np.ndarray, kind: CellKind, where: str, low: float, high: float
) -> None:
    step = 4.0
    side = int(phantom.size_um[0] / step)
    fields = phantom.tissue(Grid(0.0, 0.0, side, side, step))
    masks = {
        "nest": (fields.nest > 6) & (fields.lumen < -6) & (fields.necrosis < 0.1),
        "lymphoid": (fields.lymphoid > 0.98) & (fields.nest < -8) & (fields.duct < -8),
        "stroma": (fields.nest < -6) & (fields.lymphoid < 0.02) & (fields.fat < 0.02)
        & (np.maximum(fields.duct, fields.vessel) < -6),
    }  # fmt: skip
    mask = masks[where] & (fields.inside > 10)
    cells = all_cells[all_cells["kind"] == kind]
    hit = mask[(cells["y"] / step).astype(int), (cells["x"] / step).astype(int)]
    assert low <= hit.sum() / (mask.sum() * step * step * 1e-6) <= high


def test_fat_holds_nearly_no_cells(all_cells: np.ndarray, phantom: Phantom) -> None:
    fields = phantom.tissue(Grid(0.0, 0.0, 768, 768, 4.0))
    fat = (fields.fat > 0.95) & (fields.inside > 10)
    hit = fat[(all_cells["y"] / 4).astype(int), (all_cells["x"] / 4).astype(int)]
    assert hit.sum() / (fat.sum() * 16e-6) < 300


def test_there_is_glass_and_a_pen_line_on_it(phantom: Phantom) -> None:
    overview, mpp = phantom.he().thumbnail(512)
    assert mpp is not None
    glass = (density(overview).sum(-1) < 0.12).mean()
    assert 0.1 < glass < 0.7
    assert pen_mask(overview, mpp).mean() > 0.002


def test_folds_darken_tissue(phantom: Phantom) -> None:
    source = phantom.he().source
    fold = source._optics.folds[0]
    y, x = int(fold.y / 0.5), int(fold.x / 0.5)
    near = source.read(0, y - 128, x - 128, 256, 256)[0]
    grid = Grid(fold.y - 64, fold.x - 64, 256, 256, 0.5)
    weight = source._optics.fold(grid)
    assert weight.max() > 0.9
    assert density(near)[weight > 0.8].mean() > 1.2 * density(near)[weight < 0.05].mean()
