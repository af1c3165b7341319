from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from comparison_scenes import slide_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from scipy.stats import rankdata

from napari_virtual_ihc.comparison.comparability import Verdict, coloured, comparability
from napari_virtual_ihc.comparison.evidence import (
    DAB_DIFFERENCE,
    FOCUS,
    TISSUE,
    dab_difference,
    focus,
)
from napari_virtual_ihc.comparison.structure import (
    MUTUAL_INFORMATION,
    NCC,
    SSIM_STRUCTURE,
    TEXTURE,
    mutual_information,
    ncc,
    ssim_structure,
)
from napari_virtual_ihc.comparison.views import PairView
from napari_virtual_ihc.comparison.windows import Layout
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.stains.unmix import compose
from napari_virtual_ihc.stains.vectors import H_DAB

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.comparison.deformed import Deformation

MAPS = (NCC, MUTUAL_INFORMATION, SSIM_STRUCTURE, TEXTURE, TISSUE, FOCUS, DAB_DIFFERENCE)
SMALL = Layout(cell=8, radius=1, reach=1)
LAYOUT = Layout()
MICRONS = 480


def random_rgb(seed: int, h: int, w: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(h, w, 3)), (1.5, 1.5, 0))
    return np.clip(170 + 260 * smooth, 20, 255).astype(np.uint8)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99)
)
def test_a_map_of_a_part_is_the_part_of_the_map(
    row: int, column: int, rows: int, columns: int, seed: int
) -> None:
    margin, cell = SMALL.margin, SMALL.cell
    side = 2 * margin + 6 * cell
    fixed, moving = random_rgb(seed, side, side), random_rgb(seed + 100, side, side)
    whole = PairView(fixed, moving, SMALL, "ihc")
    here = np.s_[
        row * cell : (row + rows) * cell + 2 * margin,
        column * cell : (column + columns) * cell + 2 * margin,
    ]
    part = PairView(fixed[here], moving[here], SMALL, "ihc")
    for one in MAPS:
        expected = one.make(whole)[row : row + rows, column : column + columns]
        assert np.array_equal(one.make(part), expected, equal_nan=True), one.info.name
    verdicts = comparability(whole).verdicts[row : row + rows, column : column + columns]
    assert np.array_equal(comparability(part).verdicts, verdicts)


def test_a_window_is_tapered() -> None:
    values = np.random.default_rng(0).integers(0, 1000, (9 * SMALL.cell, 9 * SMALL.cell))
    weights = np.kron(np.outer([1, 2, 1], [1, 2, 1]), np.ones((SMALL.cell, SMALL.cell), int))
    at = 3 * SMALL.cell
    seen = values[at - SMALL.cell : at + 2 * SMALL.cell, at - SMALL.cell : at + 2 * SMALL.cell]
    assert SMALL.window(values)[1, 1] == (weights * seen).sum()
    assert SMALL.count == weights.sum()
    assert SMALL.pixels == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert Layout(radius=0).pixels == Layout(radius=0).count == 256


def padded(rgb: np.ndarray) -> np.ndarray:
    around = ((LAYOUT.margin,) * 2, (LAYOUT.margin,) * 2, (0, 0))
    return np.pad(rgb, around, mode="reflect")


def view_of(fixed: np.ndarray, moving: np.ndarray) -> PairView:
    return PairView(padded(fixed), padded(moving), LAYOUT, "he")


@pytest.fixture(scope="module")
def sections() -> tuple[np.ndarray, np.ndarray]:
    """H&E and IHC of the same phantom section at 1 µm/px."""
    phantom = Phantom(3, 4096, 4096)
    row, column = tumour_blocks(phantom)[0]
    slides = phantom.he(), phantom.ihc()
    he, ihc = (
        slide.region(row * 256, column * 256, MICRONS, MICRONS, 1.0).pixels for slide in slides
    )
    return he, ihc


def area_under_roc(score: np.ndarray, truth: np.ndarray) -> float:
    ranks, many = rankdata(score), int(truth.sum())
    return float((ranks[truth].sum() - many * (many + 1) / 2) / (many * (~truth).sum()))


@pytest.mark.parametrize("shift", [8, 20, 40])
def test_a_shift_is_seen_there_and_nowhere_else(
    sections: tuple[np.ndarray, np.ndarray], shift: int
) -> None:
    he, ihc = sections
    moved = ihc.copy()
    moved[120:360, 120:360] = ihc[120:360, 120 - shift : 360 - shift]
    found = comparability(view_of(he, moved))
    rows, columns = np.indices(found.verdicts.shape) * LAYOUT.cell + LAYOUT.cell // 2
    truth = (rows >= 120) & (rows < 360) & (columns >= 120) & (columns < 360)
    judged = np.isfinite(found.mismatch)
    assert judged.mean() > 0.9
    assert area_under_roc(found.mismatch[judged], truth[judged]) >= 0.95
    shifted = found.verdicts == Verdict.SHIFTED
    assert shifted[~truth].mean() < 0.02
    core = ndimage.binary_erosion(truth, iterations=LAYOUT.radius)
    assert shifted[core].mean() > 0.8


def test_blur_missing_tissue_and_folds_are_told_apart(
    sections: tuple[np.ndarray, np.ndarray],
) -> None:
    he, ihc = sections
    harmed = ihc.copy()
    blurred = ndimage.gaussian_filter(ihc.astype(float), (4, 4, 0)).round().astype(np.uint8)
    harmed[:, :160] = blurred[:, :160]
    harmed[:, 320:] = 242
    view = view_of(he, harmed)
    area = np.ones(view.shape)
    area[:5, 12:18] = -0.2
    known = SimpleNamespace(jacobian=area, strain=np.zeros(view.shape))
    found = comparability(replace(view, deformation=cast("Deformation", known))).verdicts
    assert (found[6:, :6] == Verdict.OUT_OF_FOCUS).mean() > 0.9
    assert (found[6:, 24:] == Verdict.MISSING_TISSUE).all()
    assert (found[:5, 12:18] == Verdict.TORN_OR_FOLDED).all()
    assert (found[8:, 12:18] == Verdict.COMPARABLE).mean() > 0.9


def test_shares_are_of_tissue_only() -> None:
    glass = np.full((200, 200, 3), 242, np.uint8)
    found = comparability(view_of(glass, glass))
    assert (found.verdicts == Verdict.GLASS).all()
    assert np.isnan(found.shares()["comparable"])
    assert coloured(found.verdicts)[..., 3].max() == 0


def real_pair(folder: Path, fixed: str, moving: str, mpp: float) -> PairView:
    sides = [np.asarray(Image.open(folder / name).convert("RGB")) for name in (fixed, moving)]
    size = [int(side * mpp) for side in sides[0].shape[:2]]
    slides = [slide_of(side, mpp) for side in sides]
    return view_of(*(slide.region(0, 0, size[0], size[1], 1.0).pixels for slide in slides))


def test_the_restained_pair_matches_and_serial_sections_do_not(shared_data: Path) -> None:
    same = real_pair(shared_data / "restained_merkel", "pairA_HE.png", "pairA_IHC.png", 0.35)
    for make, least in ((ncc, 0.4), (mutual_information, 0.1), (ssim_structure, 0.3)):
        assert np.median(make(same)) > least
    assert comparability(same).shares()["comparable"] > 0.95
    for name in ("00345_test_0", "00901_test_1plus"):
        files = f"{name}_HE.jpg", f"{name}_IHC-HER2.jpg"
        serial = real_pair(shared_data / "pairs_bci_1024", *files, 0.46)
        for make, most in ((ncc, 0.1), (mutual_information, 0.02), (ssim_structure, 0.2)):
            assert np.median(make(serial)) < most
        assert comparability(serial).shares()["comparable"] < 0.1


@pytest.mark.parametrize(("shift", "least"), [(10, 0.92), (20, 0.95), (40, 0.95)])
def test_a_shift_of_real_tissue_is_seen(shared_data: Path, shift: int, least: float) -> None:
    folder = shared_data / "restained_merkel"
    whole = real_pair(folder, "pairA_HE.png", "pairA_IHC.png", 0.35)
    inner = np.s_[LAYOUT.margin : -LAYOUT.margin, LAYOUT.margin : -LAYOUT.margin]
    he, ihc = whole.fixed[inner], whole.moving[inner]
    areas = []
    for y, x in np.ndindex(2, 2):
        top, left = 96 * y, 40 * x
        moved = ihc.copy()
        moved[top : top + 95, left : left + 96] = ihc[
            top : top + 95, left + shift : left + shift + 96
        ]
        found = comparability(view_of(he, moved))
        rows, columns = np.indices(found.verdicts.shape) * LAYOUT.cell + LAYOUT.cell // 2
        truth = (rows >= top) & (rows < top + 95) & (columns >= left) & (columns < left + 96)
        areas.append(area_under_roc(found.mismatch.ravel(), truth.ravel()))
    assert np.mean(areas) >= least


def test_dab_difference_is_that_of_the_densities() -> None:
    def even(dab: float) -> np.ndarray:
        amounts = np.zeros((200, 200, 3), np.float32)
        amounts[..., 0], amounts[..., 1] = 0.3, dab
        return compose(amounts, H_DAB)

    view = PairView(even(0.5), even(0.2), LAYOUT, "ihc")
    assert dab_difference(view) == pytest.approx(0.3, abs=0.02)
    with pytest.raises(DataError, match="virtual IHC"):
        dab_difference(PairView(even(0.5), even(0.2), LAYOUT, "he"))


def test_focus_falls_with_blur(sections: tuple[np.ndarray, np.ndarray]) -> None:
    he, _ = sections
    means = []
    for sigma in (0, 1.5, 3, 6):
        soft = ndimage.gaussian_filter(he.astype(float), (sigma, sigma, 0)).round().astype(np.uint8)
        means.append(focus(view_of(soft, soft)).mean())
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.6
    assert means[2] < 0.4


def test_windows_that_do_not_fit_are_refused() -> None:
    picture = np.zeros((60, 60, 3), np.uint8)
    with pytest.raises(DataError, match="margin"):
        PairView(picture, picture)
    with pytest.raises(DataError, match="one grid"):
        PairView(picture, picture[:50])
