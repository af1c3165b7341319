"""What was measured does not outlive the slides, layers and maps that it was measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from compare_scene import UNCHANGED, he_slide, registered
from test_viewer_align import docked as docked_align
from test_viewer_compare_maps import docked
from test_viewer_window import _spin_until
from viewer_fakes import FakeModel, FakePrepare, painted_slide

from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.compare.model import NO_REGISTRATION, NO_VIRTUAL, STOPPED
from napari_virtual_ihc.widgets.compare.regions import SLIDE
from napari_virtual_ihc.widgets.compare.sides import SidesWatch
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Open = Callable[[Slide], Session]
    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def test_a_hand_and_landmarks_change_what_is_compared(window: Viewer, opened: Open) -> None:
    opened(painted_slide(1024, 1024))
    opened(painted_slide(1224, 1224))
    align = docked_align(window)
    assert align.begin()
    assert wait_until_settled(align.session, 20)
    watch, seen = SidesWatch(align.session), []
    watch.changed.connect(lambda: seen.append(watch.sides))
    align.view.hand.down.setValue(300.0)
    assert wait_until_settled(align.session, 20)
    assert len(seen) == 1
    places = np.array([[100.0, 100], [400, 120], [150, 420]])
    align.landmarks.put(Landmarks(places, places + 40))
    assert wait_until_settled(align.session, 20)
    assert len(seen) == 2
    assert seen[0] != seen[1]


@pytest.mark.parametrize("lost", ["virtual", "H&E"])
def test_a_layer_taken_away_stops_the_measurement_with_a_sentence(
    window: Viewer, page: Page, lost: str
) -> None:
    model = FakeModel(colour=UNCHANGED)
    session, _ = page(he_slide(), FakePrepare(demo=model))
    assert wait_until_settled(session, 20)
    aligned = registered(session)
    compare = docked(window)
    session.services.cache.clear()
    compare.numbers.set_choice("vectors", "estimated")
    model.seconds = 30.0
    compare.view.choice_changed.emit("where", SLIDE)
    compare.view.measure.click()
    assert _spin_until(lambda: model.busy, 20)
    virtual = next(one for one in window.layers if "virtual" in one.name)
    gone = virtual if lost == "virtual" else aligned.fixed.layer()
    window.layers.remove(gone)
    assert compare.state.activity == ""
    assert compare.state.notice == STOPPED
    told = NO_VIRTUAL if lost == "virtual" else f"{STOPPED} {NO_REGISTRATION}"
    view = compare.view
    assert (view.live.note if lost == "virtual" else view.hint).text() == told
    assert not _spin_until(lambda: compare.state.answer or compare.state.error, 0.3)
