from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.stains.identity import stain_kind
from napari_virtual_ihc.stains.tissue import glass_colour, pen_mask, tissue_fraction, tissue_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HE = (
    "restained_merkel/pairA_HE.png",
    "fov_he/tiatoolbox_target.png",
    "pairs_bci_1024/00345_test_0_HE.jpg",
    "whole_section_acrobat1/HE.png",
)
IHC = (
    "restained_merkel/pairA_IHC.png",
    "fov_ihc/deepliif_Bladder1_IHC.png",
    "fov_ihc/deepliif_ROI_1.png",
    "pairs_bci_1024/00345_test_0_IHC-HER2.jpg",
    "landmarks_lung_lesion3/Ki67.jpg",
)


def picture(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("name", HE)
def test_real_he_is_recognised(shared_data: Path, name: str) -> None:
    assert stain_kind(picture(shared_data / name)) == "he"


@pytest.mark.parametrize("name", IHC)
def test_real_ihc_is_recognised(shared_data: Path, name: str) -> None:
    assert stain_kind(picture(shared_data / name)) == "ihc"


def test_glass_has_no_stain() -> None:
    assert stain_kind(np.full((80, 80, 3), 240, dtype=np.uint8)) == "unknown"


def test_pen_over_tissue_is_not_taken_for_ihc(shared_data: Path) -> None:
    rgb = picture(shared_data / "fov_he/histolab_medium-nuclei-score-green-pen-level1.png")
    assert stain_kind(rgb) == "unknown"


def test_green_pen_is_ink_and_not_tissue(shared_data: Path) -> None:
    rgb = picture(shared_data / "fov_he/histolab_medium-nuclei-score-green-pen-level1.png")
    ink = pen_mask(rgb, mpp=2.0)
    assert 0.1 < ink.mean() < 0.4
    assert not (tissue_mask(rgb, mpp=2.0) & ink).any()


@pytest.mark.parametrize("name", [*HE, *IHC])
def test_no_dye_is_taken_for_ink(shared_data: Path, name: str) -> None:
    assert pen_mask(picture(shared_data / name), mpp=0.5).mean() < 0.005


def test_glass_colour_is_that_of_the_empty_part() -> None:
    rgb = np.full((100, 100, 3), (236, 234, 238), dtype=np.uint8)
    rgb[:40] = (160, 90, 150)
    assert glass_colour(rgb) == (236, 234, 238)
    mask = tissue_mask(rgb, mpp=1.0)
    assert tissue_fraction(mask) == pytest.approx(0.42, abs=0.03)


def test_a_field_without_glass_gets_the_usual_one() -> None:
    assert glass_colour(np.full((50, 50, 3), (160, 90, 150), dtype=np.uint8)) == (242, 242, 242)
