from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.stains.membrane import find_membranes, her2_helper
from napari_virtual_ihc.stains.nuclei import find_nuclei
from napari_virtual_ihc.stains.unmix import compose
from napari_virtual_ihc.stains.vectors import H_DAB

if TYPE_CHECKING:
    from pathlib import Path

MPP = 0.5
CENTRES = [(y, x) for y in range(30, 200, 40) for x in range(30, 200, 40)]
LEAST_PIXELS = 80


def cells(
    nucleus: list[tuple[float, float]], membrane: list[tuple[float, float]] | None = None
) -> np.ndarray:
    """Draw round nuclei of 8 µm, each with its (hematoxylin, DAB), and (DAB, share) of a ring."""
    amounts = np.zeros((220, 220, 3), np.float32)
    amounts[..., 0] = 0.05
    rows, columns = np.indices(amounts.shape[:2]) + 0.5
    for index, (y, x) in enumerate(CENTRES[: len(nucleus)]):
        away = np.hypot(rows - y, columns - x)
        amounts[away < 8, 0], amounts[away < 8, 1] = nucleus[index]
        if membrane:
            brown, share = membrane[index]
            turn = np.arctan2(rows - y, columns - x) / (2 * np.pi) + 0.5
            amounts[(away >= 11) & (away < 14) & (turn < share), 1] = brown
    return compose(amounts, H_DAB)


def positive_percent(counts: np.ndarray) -> float:
    return 100 * counts[1:].sum() / counts.sum()


def test_nuclei_lie_where_they_were_drawn_and_are_graded_by_their_dab() -> None:
    browns = [0.0, 0.25, 0.45, 0.8, 0.0] * 5
    found = find_nuclei(cells([(0.4, brown) for brown in browns]), MPP)
    order = np.lexsort((found.x.round(), found.y.round()))
    assert found.y[order] == pytest.approx([y for y, _ in CENTRES], abs=0.6)
    assert found.x[order] == pytest.approx([x for _, x in CENTRES], abs=0.6)
    assert found.area_um2 == pytest.approx(np.pi * 16, rel=0.4)
    assert found.grade[order].tolist() == [0, 1, 2, 3, 0] * 5
    assert found.counts().tolist() == [10, 5, 5, 5]


def test_touching_nuclei_are_divided() -> None:
    amounts = np.zeros((60, 80, 3), np.float32)
    rows, columns = np.indices((60, 80))
    for x in (30, 45):
        amounts[np.hypot(rows - 30, columns - x) < 9, 0] = 0.4
    assert find_nuclei(compose(amounts, H_DAB), MPP).counts().tolist() == [2, 0, 0, 0]


def test_glass_has_no_nuclei() -> None:
    assert find_nuclei(np.full((50, 60, 3), 240, np.uint8), MPP).counts().sum() == 0


@pytest.mark.parametrize("seed", [3, 5])
def test_positive_cells_of_a_phantom(seed: int) -> None:
    phantom = Phantom(seed, 6144, 6144)
    row, col = tumour_blocks(phantom)[0]
    y, x = row * 512, col * 512
    found = find_nuclei(phantom.ihc().source.read(0, y, x, 512, 512)[0], MPP)
    true = phantom.cells(y * MPP, x * MPP, 256.0, 256.0)
    dab = phantom.dab(y, x, 512, 512)
    at = dab[(true["y"] / MPP).astype(int) - y, (true["x"] / MPP).astype(int) - x]
    assert positive_percent(found.counts()) == pytest.approx(100 * (at >= 0.15).mean(), abs=5)
    assert len(found.y) == pytest.approx(len(true), rel=0.2)


def test_positive_cells_of_real_ki67(shared_data: Path) -> None:
    rgb, mask = (
        np.asarray(Image.open(shared_data / "fov_ihc" / f"deepliif_Bladder1_{name}.png"))
        for name in ("IHC", "seg")
    )
    found = find_nuclei(rgb[..., :3], 0.25)
    true = class_counts(mask[..., :3].astype(int))
    assert positive_percent(found.counts()) == pytest.approx(positive_percent(true), abs=5)


def class_counts(mask: np.ndarray) -> np.ndarray:
    red, green, blue = mask[..., 0], mask[..., 1], mask[..., 2]
    positive = (red > 150) & (blue < 100) & (green < 100)
    negative = (blue > 150) & (red < 100) & (green < 100)
    sizes = [np.bincount(ndimage.label(one)[0].ravel())[1:] for one in (negative, positive)]
    return np.array([(size >= LEAST_PIXELS).sum() for size in sizes])


def test_membranes_are_graded_by_how_much_they_close_and_how_brown() -> None:
    rings = [(0.0, 0.0), (0.3, 0.5), (0.4, 1.0), (0.9, 1.0), (0.9, 0.05)] * 5
    found = find_membranes(cells([(0.4, 0.0)] * 25, rings), MPP)
    order = np.lexsort((found.nuclei.x.round(), found.nuclei.y.round()))
    assert found.grade[order].tolist() == [0, 1, 2, 3, 0] * 5
    assert found.completeness[order][:4] == pytest.approx([0, 0.5, 1, 1], abs=0.15)
    assert found.intensity[order][[2, 3]] == pytest.approx([0.4, 0.9], abs=0.08)


def test_brown_cytoplasm_is_no_membrane() -> None:
    amounts = np.zeros((220, 220, 3), np.float32)
    rows, columns = np.indices((220, 220)) + 0.5
    for y, x in CENTRES:
        away = np.hypot(rows - y, columns - x)
        amounts[away < 8, 0] = 0.4
        amounts[away < 14, 1] = 0.3
    assert find_membranes(compose(amounts, H_DAB), MPP).counts().tolist() == [25, 0, 0, 0]


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ([0, 0, 0, 0], None),
        ([90, 10, 0, 0], 0),
        ([80, 15, 5, 0], 1),
        ([70, 10, 15, 5], 2),
        ([60, 10, 10, 20], 3),
    ],
)
def test_the_helper_wants_more_than_a_tenth_of_cells(counts: list[int], score: int | None) -> None:
    assert her2_helper(np.array(counts)) == score
