from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2hed

from napari_virtual_ihc.stains.dab import (
    DEFAULT_DAB,
    DabProtocol,
    dab_area,
    dab_density,
    h_score,
    iod,
)
from napari_virtual_ihc.stains.unmix import compose, unmix
from napari_virtual_ihc.stains.vectors import H_DAB, H_E, HED, estimate_macenko

if TYPE_CHECKING:
    from pathlib import Path


def test_vectors_have_unit_length() -> None:
    for vectors in (HED, H_DAB, H_E):
        np.testing.assert_allclose(np.linalg.norm(vectors.rows(), axis=1), 1)


def test_amounts_survive_composition() -> None:
    amounts = np.random.default_rng(0).uniform(0, 0.6, (50, 3)).astype(np.float32)
    amounts[:, 2] = 0
    recovered = unmix(compose(amounts, H_DAB), H_DAB)
    np.testing.assert_allclose(recovered, amounts, atol=0.02)


def test_agrees_with_scikit_image_up_to_its_scale(shared_data: Path) -> None:
    rgb = np.asarray(Image.open(shared_data / "fov_ihc/deepliif_ROI_1.png").convert("RGB"))
    theirs = rgb2hed(rgb)[..., 2].ravel()
    ours = unmix(rgb, HED)[..., 2].ravel()
    assert np.corrcoef(theirs, ours)[0, 1] > 0.95


def test_dab_quantities_of_known_density() -> None:
    amounts = np.zeros((4, 1, 3), dtype=np.float32)
    amounts[:, 0, 1] = (0.0, 0.2, 0.4, 0.8)
    density = dab_density(compose(amounts, H_DAB))
    assert dab_area(density) == 0.75
    assert h_score(density) == pytest.approx(75 + 50 + 25)
    assert iod(density) == pytest.approx(1.4, abs=0.02)


def test_an_empty_mask_has_no_area() -> None:
    density = np.ones((2, 2), dtype=np.float32)
    assert np.isnan(dab_area(density, np.zeros((2, 2), dtype=bool)))


def test_the_protocol_names_threshold_and_source() -> None:
    assert "0.15" in DEFAULT_DAB.name
    assert "Ruifrok" in DabProtocol().name


def test_brown_cells_are_found_where_a_reader_drew_them(shared_data: Path) -> None:
    folder = shared_data / "fov_ihc"
    rgb = np.asarray(Image.open(folder / "deepliif_Bladder1_IHC.png").convert("RGB"))
    truth = np.asarray(Image.open(folder / "deepliif_Bladder1_seg.png").convert("RGB"))
    positive, negative = truth[..., 0] > 200, truth[..., 2] > 200
    density = dab_density(rgb)
    assert np.median(density[positive]) > DEFAULT_DAB.threshold
    assert np.median(density[negative]) < DEFAULT_DAB.threshold


def test_macenko_recovers_rotated_stains() -> None:
    rng = np.random.default_rng(1)
    amounts = np.zeros((20_000, 3), dtype=np.float32)
    amounts[:, :2] = rng.gamma(2.0, 0.25, (20_000, 2)) * (rng.random((20_000, 2)) < 0.6)
    estimate = estimate_macenko(compose(amounts + 0.001, H_E), H_E)
    assert estimate is not None
    assert max(estimate.angle_to(H_E)[:2]) < 15


def test_macenko_needs_tissue() -> None:
    assert estimate_macenko(np.full((64, 64, 3), 240, dtype=np.uint8), H_E) is None
