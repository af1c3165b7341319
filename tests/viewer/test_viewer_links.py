"""How panes correspond: tissue of an unregistered scan lies as on the H&E, shifts are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from compare_scene import he_slide, registered
from napari.components import ViewerModel
from test_viewer_window import _spin_until

from napari_virtual_ihc.registration.affine import similarity
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.widgets.camera import rotation
from napari_virtual_ihc.widgets.views.following import Following
from napari_virtual_ihc.widgets.views.links import Straight, Through, link_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.views.pane import Pane

SECTION = Section("0" * 32, (1000, 1000), 0.5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 37, 180, 250])
def test_tissue_lies_in_the_scan_as_on_the_he(degrees: float, mirrored: bool) -> None:
    affine = similarity(degrees, mirrored, 1.02, np.array([200.0, 300]), np.array([420.0, 100]))
    link = Through(Registration(Mapping(affine), SECTION, SECTION))
    assert link.mirrored is mirrored
    assert not link.on_he
    np.testing.assert_allclose(link.there((200.0, 300.0)), (420, 100))
    np.testing.assert_allclose(link.back(link.there((50.0, 60.0))), (50, 60), atol=1e-3)
    flip = np.diag([1.0, -1.0 if mirrored else 1.0])
    for turn in (0, 25, 300):
        on_screen = flip @ rotation(link.turn(turn))[:2, :2] @ affine[:, :2] / 1.02
        np.testing.assert_allclose(on_screen, rotation(turn)[:2, :2], atol=1e-9)


def test_a_shift_is_kept_and_measured_anew() -> None:
    shifted = link_again(Straight(), (100.0, 100.0), (130.0, 95.0))
    assert shifted.there((0.0, 0.0)) == (30.0, -5.0)
    assert shifted.back(shifted.there((7.0, 8.0))) == (7.0, 8.0)
    assert shifted.turn(40) == 40
    again = link_again(shifted, (100.0, 100.0), (101.0, 100.0))
    assert again.there((0.0, 0.0)) == (1.0, 0.0)


def test_a_scan_is_linked_anew_when_it_is_registered(opened: Callable[[Slide], Session]) -> None:
    session = opened(he_slide())
    aligned = registered(session)
    session.align(None)
    session.panes.arrange(2)
    (pane,) = session.panes.all()
    session.panes.show(pane, aligned.moving.layer())
    assert pane.link.on_he
    session.align(aligned)
    assert not pane.link.on_he
    session.viewer.layers.remove(aligned.moving.layer())
    assert pane.link.on_he
    assert pane.layer is aligned.fixed.layer()


class Told:
    """A pane that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def lead(self, _main: ViewerModel) -> None:
        self.told.append("lead")

    def follow(self, _main: ViewerModel) -> None:
        self.told.append("follow")


def test_a_pane_leads_unless_the_window_moved_too(qapp: object) -> None:
    main, panes = ViewerModel(), [Told(), Told()]
    following = Following(main, cast("list[Pane]", panes))
    following.pane_moved(cast("Pane", panes[0]))
    assert _spin_until(lambda: panes[0].told == ["lead"])
    assert panes[1].told == ["follow"]
    for first, second in ((True, False), (False, True)):
        for pane in panes:
            pane.told.clear()
        for window_moves in (first, second):
            if window_moves:
                following.main_moved()
            else:
                following.pane_moved(cast("Pane", panes[0]))
        assert _spin_until(lambda: bool(panes[0].told))
        assert [pane.told for pane in panes] == [["follow"], ["follow"]]
