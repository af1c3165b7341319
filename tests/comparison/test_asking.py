from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.asking import scale_for, scorer_for
from napari_virtual_ihc.errors import UsageError

BLANK = np.full((64, 64, 3), 242, np.uint8)


def test_slides_are_scored_at_half_a_micrometre_or_the_coarsest_scale() -> None:
    assert scale_for(slide_of(BLANK, 0.25), slide_of(BLANK, 0.3)) == 0.5
    assert scale_for(slide_of(BLANK, 0.25), slide_of(BLANK, 0.6)) == 0.6


@pytest.mark.parametrize(
    ("cells", "mpp", "marker", "taken"),
    [
        ("auto", 0.5, "Ki-67", "nuclei"),
        ("auto", 0.5, "HER-2/neu", "membranes"),
        ("auto", 0.5, "", "nuclei"),
        ("auto", 1.0, "HER2", "none"),
        ("membranes", 0.5, "Ki-67", "membranes"),
        ("none", 0.5, "ER", "none"),
    ],
)
def test_cells_follow_from_marker_and_scale(
    cells: str, mpp: float, marker: str, taken: str
) -> None:
    real = slide_of(BLANK, mpp)
    assert scorer_for(cells, "published", mpp, real, marker).cells == taken


def test_cells_that_cannot_be_told_are_refused() -> None:
    with pytest.raises(UsageError, match="1 µm/px"):
        scorer_for("nuclei", "published", 1.0, slide_of(BLANK, 1.0))
    with pytest.raises(UsageError, match="auto"):
        scorer_for("all", "published", 0.5, slide_of(BLANK, 0.5))
