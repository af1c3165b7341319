"""The map of landmark errors in a real window: there with pairs, made anew when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points
from test_viewer_align_kept import PLACES, mark, with_two_slides
from test_viewer_compare_maps import docked, maps
from test_viewer_window import _spin_until

from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.tiles.heat import palette
from napari_virtual_ihc.widgets.compare.map_model import NO_PAIRS
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from napari import Viewer

    from napari_virtual_ihc.widgets.compare.controller import CompareController


def cells(window: Viewer, compare: CompareController) -> np.ndarray:
    """Return the finest level of the map, once it is there."""
    assert wait_until_settled(compare.session, 30)
    (layer,) = maps(window)
    level: np.ndarray = layer.data[0][0:32, 0:32]
    return level


def test_the_map_follows_the_pairs(window: Viewer) -> None:
    align = with_two_slides(window)
    assert align.begin()
    assert wait_until_settled(align.session, 20)
    compare = docked(window)
    view, state = compare.view.map, compare.map_state
    view.map_chosen.emit("landmark_error")
    assert not view.formula.text()
    assert view.waiting.text() == NO_PAIRS
    mark(align, 2)
    assert _spin_until(lambda: "one pair more" in view.waiting.text())
    mark(align, 5)
    first = cells(window, compare)
    assert first[..., 3].any()
    assert "n = 5; a value every 16 µm" in view.formula.text()
    assert not view.waiting.text()
    assert [isinstance(layer, Points) for layer in window.layers] == [False] * 4 + [True] * 2
    assert window.layers[3] in maps(window)
    assert not view.between.isEnabled()
    legend = compare.session.canvas.legend
    assert _spin_until(legend.isVisible)
    assert (legend.scale.title, legend.scale.unit) == ("Landmark error", "µm")
    moved = PLACES.copy()
    moved[0] += 300
    align.landmarks.put(Landmarks(PLACES, moved))
    assert wait_until_settled(align.session, 20)
    second = cells(window, compare)
    y, x = (PLACES[0] // 16).astype(int)
    assert (second[y, x, :3] == palette("viridis")[-1]).all()
    assert not np.array_equal(first, second)
    align.landmarks.set_way("measure")
    align.landmarks.put(Landmarks())
    assert wait_until_settled(align.session, 20)
    assert _spin_until(lambda: not maps(window))
    assert (state.name, view.waiting.text()) == ("landmark_error", NO_PAIRS)
