"""A registered layer: clear until it is resampled, gone with either of its slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.color import rgb2lab
from test_viewer_align import docked, warped
from test_viewer_align_kept import PLACES, open_two
from test_viewer_window import _spin_until
from viewer_fakes import painted_slide

from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.landmark_look import COLOURS, colours_of
from napari_virtual_ihc.widgets.align.model import GONE, RESAMPLING
from napari_virtual_ihc.widgets.layers import registered_layer, slide_layer
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from napari import Viewer

TISSUE = {
    "eosin": (204, 120, 166),
    "hematoxylin on H&E": (110, 60, 140),
    "hematoxylin on IHC": (90, 100, 160),
    "DAB": (120, 70, 30),
    "pale DAB": (190, 150, 110),
    "glass": (242, 242, 242),
}


def test_what_is_to_be_resampled_hides_nothing() -> None:
    slide = painted_slide(600, 700)
    data, arguments, _ = registered_layer(slide, "moving", "fixed")
    assert not np.asarray(data[-1]).any()
    assert arguments["name"] == slide.name
    assert np.asarray(slide_layer(slide)[0][-1])[..., 3].min() == 255


@pytest.mark.parametrize(
    "closed", ["IHC", *(pytest.param(one, marks=pytest.mark.slow) for one in ("H&E", "scale"))]
)
def test_a_registered_layer_goes_when_it_no_longer_holds(window: Viewer, closed: str) -> None:
    open_two(window)
    align = docked(window)
    he, ihc = align.session.slides()
    assert align.begin()
    align.landmarks.put(Landmarks(PLACES, PLACES + 50))
    seen: list[str] = []
    align.state.events.resampling.connect(lambda _on: seen.append(align.view.result.text()))
    assert wait_until_settled(align.session, 20)
    assert any(RESAMPLING in words for words in seen)
    assert RESAMPLING not in align.view.result.text()
    assert len(warped(window)) == 1
    original = ihc.layer()
    assert not original.visible
    if closed == "scale":
        align.session.set_scale(ihc, 0.4)
    else:
        window.layers.remove((ihc if closed == "IHC" else he).layer())
    assert _spin_until(lambda: not warped(window), 5)
    assert align.view.notice.text() == GONE
    assert _spin_until(lambda: not [one for one in window.layers if "Landmarks" in one.name], 5)
    assert original.visible is (closed != "IHC")
    assert wait_until_settled(align.session, 20)


def test_slides_that_are_deleted_together_with_what_was_laid_are_gone(window: Viewer) -> None:
    open_two(window)
    align = docked(window)
    assert align.begin()
    assert wait_until_settled(align.session, 20)
    window.layers.select_all()
    window.layers.remove_selected()
    assert wait_until_settled(align.session, 20)
    assert not len(window.layers)
    assert align.session.chosen is None


def test_the_colour_of_every_pair_stands_out_from_tissue() -> None:
    def lab(rgb: tuple[int, ...]) -> np.ndarray:
        return rgb2lab(np.array(rgb, float).reshape(1, 1, 3) / 255)[0, 0]

    for colour in COLOURS:
        shown = lab(tuple(bytes.fromhex(colour[1:])))
        for name, tissue in TISSUE.items():
            assert np.linalg.norm(shown - lab(tissue)) > 45, (colour, name)
    assert colours_of(7)[6] == COLOURS[0]
