"""What the phantom says of itself is what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.slides.phantom import CellKind, Phantom
from napari_virtual_ihc.slides.phantom.truth import Squares
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.stains.dab import dab_density

Window = tuple[int, int, int, int]


def test_cells_do_not_depend_on_the_window(phantom: Phantom) -> None:
    whole = phantom.cells(1400.0, 1400.0, 300.0, 300.0)
    part = phantom.cells(1450.0, 1500.0, 120.0, 60.0)
    within = (whole["y"] >= 1450) & (whole["y"] < 1570)
    within &= (whole["x"] >= 1500) & (whole["x"] < 1560)
    assert len(part) > 10
    assert np.array_equal(np.sort(whole[within]["id"]), np.sort(part["id"]))


def test_displacement_carries_cells_to_the_next_section(phantom: Phantom) -> None:
    first = phantom.cells(1300.0, 1300.0, 400.0, 400.0)
    dy, dx = phantom.displacement(first["y"], first["x"])
    later = phantom.next_cells(1200.0, 1200.0, 600.0, 600.0)
    place = {int(cell["id"]): (cell["y"], cell["x"]) for cell in later}
    staying = [i for i, cell in enumerate(first) if cell["in_next"]]
    assert len(staying) > 100
    for i in staying:
        y, x = place[int(first["id"][i])]
        assert abs(y - first["y"][i] - dy[i]) < 1e-6
        assert abs(x - first["x"][i] - dx[i]) < 1e-6


def test_about_half_the_cells_are_cut_twice(phantom: Phantom) -> None:
    first = phantom.cells(1300.0, 1300.0, 400.0, 400.0)
    later = phantom.next_cells(1300.0, 1300.0, 400.0, 400.0)
    assert 0.4 < first["in_next"].mean() < 0.7
    assert not {int(i) for i in first["id"][~first["in_next"]]} & {int(i) for i in later["id"]}
    assert 0.8 < len(later) / len(first) < 1.25


def test_deformation_is_smooth_and_can_be_undone(phantom: Phantom) -> None:
    axis = np.linspace(100, 2900, 29)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    dy, dx = phantom.displacement(y, x)
    shift = np.hypot(dy - dy.mean(), dx - dx.mean())
    assert 5 < shift.max() < 200
    for part in (dy, dx):
        assert max(np.abs(np.diff(part, axis=axis_)).max() for axis_ in (0, 1)) / 100 < 0.12
    back = phantom._scene("next").deformation.to_first(y + dy, x + dx)
    assert np.abs(back[0] - y).max() < 1e-3
    assert np.abs(back[1] - x).max() < 1e-3


def test_true_chromogen_is_what_the_picture_shows(
    phantom: Phantom, tumour_windows: list[Window]
) -> None:
    y, x, h, w = tumour_windows[0]
    truth = phantom.dab(y, x, h, w)
    seen = dab_density(phantom.ihc().source.read(0, y, x, h, w)[0])
    assert np.corrcoef(truth.ravel(), seen.ravel())[0, 1] > 0.9
    assert np.median(truth[truth < 0.1]) < 0.03


def test_stained_nuclei_lie_where_the_table_says(
    phantom: Phantom, tumour_windows: list[Window]
) -> None:
    y, x, h, w = tumour_windows[1]
    cells = phantom.cells(y * 0.5 + 10, x * 0.5 + 10, h * 0.5 - 20, w * 0.5 - 20)
    cells = cells[(cells["kind"] == CellKind.TUMOUR) & (cells["depth"] > 0.9)]
    crowd = cKDTree(np.stack([cells["y"], cells["x"]], 1))
    gap = crowd.query(np.stack([cells["y"], cells["x"]], 1), k=2)[0][:, 1]
    alone = cells[gap > 11]
    dab = phantom.dab(y, x, h, w)
    at = dab[(alone["y"] * 2).astype(int) - y, (alone["x"] * 2).astype(int) - x]
    assert np.corrcoef(at, alone["expression"])[0, 1] > 0.95


def test_ceiling_is_high_but_no_reader_is_perfect() -> None:
    parts = []
    for seed in (3, 5, 10, 11, 16):
        made = Phantom(seed, 6144, 6144)
        windows = [(r * 512, c * 512, 512, 512) for r, c in tumour_blocks(made)[:3]]
        parts.append(made.squares(windows))
    pooled = Squares(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("dab", "ideal", "hematoxylin"))
    )
    assert len(pooled.dab) >= 45
    assert 0.70 < pooled.ceiling() < 0.95
    assert pooled.baseline() < 0.45
    assert pooled.baseline() < pooled.ceiling() - 0.3


def test_agreement_without_tumour_is_refused(phantom: Phantom) -> None:
    with pytest.raises(DataError, match="three"):
        phantom.ceiling([(0, 0, 512, 512)])


def test_tumour_mask_holds_the_tumour_cells(phantom: Phantom, tumour_windows: list[Window]) -> None:
    y, x, h, w = tumour_windows[0]
    mask = phantom.tumour_mask(y, x, h, w)
    cells = phantom.cells(y * 0.5, x * 0.5, h * 0.5, w * 0.5)
    cells = cells[cells["kind"] == CellKind.TUMOUR]
    hit = mask[(cells["y"] * 2).astype(int) - y, (cells["x"] * 2).astype(int) - x]
    assert mask.dtype == np.bool_
    assert hit.mean() > 0.97


def positive_share(marker: str, seed: int) -> float:
    made = Phantom(seed, 6144, 6144, marker=marker)
    cells = [
        made.cells(row * 256.0, col * 256.0, 256.0, 256.0) for row, col in tumour_blocks(made)[:4]
    ]
    table = np.concatenate(cells)
    table = table[table["kind"] == CellKind.TUMOUR]
    return float((table["expression"] >= 0.15).mean())


def test_ki67_is_positive_in_5_to_60_per_cent() -> None:
    shares = [positive_share("Ki-67", seed) for seed in (3, 5, 10)]
    assert all(0.05 < share < 0.60 for share in shares)


def test_er_is_negative_or_positive_in_most_cells() -> None:
    shares = [positive_share("ER", seed) for seed in (3, 5, 10, 11, 16, 21)]
    assert all(share < 0.02 or share > 0.45 for share in shares)
    assert max(shares) > 0.7


def test_activity_is_not_hematoxylin(phantom: Phantom) -> None:
    cells = phantom.cells(800.0, 800.0, 1400.0, 1400.0)
    cells = cells[cells["kind"] == CellKind.TUMOUR]
    area = np.pi / 4 * cells["diameter"] ** 2
    assert abs(np.corrcoef(cells["activity"], area * cells["load"])[0, 1]) < 0.35
    assert np.corrcoef(cells["activity"], cells["vesicular"])[0, 1] > 0.9


def test_her2_stains_membranes_not_nuclei() -> None:
    made = Phantom(7, 6144, 6144, marker="HER2")
    row, col = tumour_blocks(made)[0]
    dab = made.dab(row * 512, col * 512, 512, 512)
    cells = made.cells(row * 256.0 + 8, col * 256.0 + 8, 240.0, 240.0)
    cells = cells[cells["kind"] == CellKind.TUMOUR]
    centre = dab[(cells["y"] * 2).astype(int) - row * 512, (cells["x"] * 2).astype(int) - col * 512]
    assert (dab > 0.3).mean() > 0.005
    assert np.percentile(centre, 75) < 0.12
