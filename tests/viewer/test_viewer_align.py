"""The Align page in a real window: two sections of a phantom, registered, saved and shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_viewer_window import _spin_until

from napari_virtual_ihc.registration.registration import Registration, Section, StageResult
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.align.model import NO_PAIR
from napari_virtual_ihc.widgets.align.stage_model import EARLIER
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.layers import WARPED, slide_layer, slide_of
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]

PHANTOM = Phantom(7, 2048, 2048)


@pytest.fixture
def align(window: Viewer, opened: Open) -> AlignController:
    """Return the page over an H&E and its IHC."""
    opened(PHANTOM.he())
    opened(PHANTOM.ihc("same"))
    return docked(window)


def docked(window: Viewer) -> AlignController:
    dock = Dock(window, [AlignController])
    window.window.add_dock_widget(dock, name="Align", area="right")
    page = dock.pages[0]
    assert isinstance(page, AlignController)
    return page


def warped(viewer: Viewer) -> list[Slide]:
    found = (slide_of(layer) for layer in viewer.layers if WARPED in layer.metadata)
    return [slide for slide in found if slide is not None]


def test_a_section_is_laid_onto_the_he_saved_and_shown_again(
    window: Viewer, align: AlignController, tmp_path: Path
) -> None:
    align.view.start.click()
    assert _spin_until(lambda: align.state.total > 0 or bool(align.state.error), 120)
    assert align.view.cancel.isVisible()
    assert _spin_until(lambda: align.state.registered or bool(align.state.error), 120)
    assert align.state.error == ""
    assert wait_until_settled(align.session, 30)
    (slide,) = warped(window)
    assert slide.shape == PHANTOM.he().shape
    assert "squares agree" in align.view.result.text()
    moving = next(layer for layer in window.layers if layer.name == PHANTOM.ihc("same").name)
    assert not moving.visible
    align.save(tmp_path / "fit")
    assert (tmp_path / "fit" / "registration.json").exists()
    align.load(tmp_path / "fit")
    assert _spin_until(lambda: not align.state.activity, 30)
    assert align.state.error == ""
    assert len(warped(window)) == 1
    assert len(align.state.others) == 1


def test_cancelling_kills_the_process_and_leaves_everything_as_it_was(
    window: Viewer, align: AlignController
) -> None:
    import psutil

    align.register()
    assert _spin_until(lambda: bool(psutil.Process().children()), 20)
    (child,) = psutil.Process().children()
    align.view.cancel.click()
    assert _spin_until(lambda: not child.is_running(), 1)
    assert not _spin_until(lambda: bool(warped(window)), 1)
    assert align.view.start.isEnabled()


def test_a_registration_of_other_slides_is_refused(
    window: Viewer, align: AlignController, tmp_path: Path
) -> None:
    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.store import save

    other = Section("0" * 32, (64, 64), 0.5)
    save(Registration(Mapping(np.eye(2, 3)), other, other), tmp_path)
    align.load(tmp_path)
    assert _spin_until(lambda: bool(align.state.error), 30)
    assert "not the fixed slide" in align.view.error.text()
    assert not warped(window)


def test_one_slide_or_a_slide_without_scale_is_told(window: Viewer, opened: Open) -> None:
    from napari.layers import Image
    from viewer_fakes import painted_slide

    opened(painted_slide(1024, 1024))
    align = docked(window)
    assert align.view.hint.text() == NO_PAIR
    assert not align.view.start.isEnabled()
    data, arguments, _ = slide_layer(painted_slide(900, 900, None))
    window.add_layer(Image(data, **arguments))
    assert _spin_until(lambda: align.view.start.isEnabled())
    align.register()
    assert "states no µm/px: type it above." in align.view.error.text()


def test_each_stage_is_shown_as_the_slide_lay_then(window: Viewer, opened: Open) -> None:
    from viewer_fakes import painted_slide

    from napari_virtual_ihc.registration.mapping import Mapping

    opened(painted_slide(1024, 1024))
    opened(painted_slide(1224, 1224))
    align = docked(window)
    fixed, moving = align.session.slides()
    maps = [Mapping(np.array([[1.0, 0, shift], [0, 1, shift]])) for shift in (30.0, 50.0)]
    stages = (
        StageResult("coarse", 0.0, 0.5, True, "The best.", maps[0]),
        StageResult("affine", 0.5, 0.6, True, "It helps.", maps[1]),
        StageResult("elastic", 0.4, 0.3, False, "It does not help."),
    )
    sections = Section.of(fixed.slide), Section.of(moving.slide)
    align.placing.begin(Registration(maps[1], *sections, stages, 0.5), fixed, moving)
    assert wait_until_settled(align.session, 20)
    table = align.view.stages.table
    cells = [[table.item(place, column).text() for column in range(3)] for place in range(4)]
    assert cells == [
        ["as scanned", "", ""],
        ["coarse", "0.00 → 0.50", "taken"],
        ["affine", "0.50 → 0.60", "taken"],
        ["elastic", "0.40 → 0.30", "refused"],
    ]
    assert align.view.result.text() == "50 % of the squares agree with the map."
    whole, aligned = warped(window)[0], align.session.aligned
    for place, shift in ((1, 30.0), (0, 0.0)):
        table.cellClicked.emit(place, 0)
        assert wait_until_settled(align.session, 20)
        shown = align.warped.laid.registration.to_moving(np.zeros(2))
        np.testing.assert_allclose(shown, shift)
        assert warped(window)[0].fingerprint != whole.fingerprint
        assert align.view.stages.earlier.text() == EARLIER
    table.cellClicked.emit(3, 0)
    assert align.state.stage == 0
    table.cellClicked.emit(2, 0)
    assert wait_until_settled(align.session, 20)
    assert warped(window)[0].fingerprint == whole.fingerprint
    assert align.view.stages.earlier.text() == ""
    assert align.session.aligned is aligned
