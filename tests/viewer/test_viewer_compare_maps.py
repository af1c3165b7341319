"""Maps of comparison in a real window: made off its thread, gone with what they compare."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from compare_scene import SIDE, UNCHANGED, he_slide, registered
from test_viewer_window import _spin_until
from viewer_fakes import FakeModel, FakePrepare

from napari_virtual_ihc.comparison.comparability import COLOURS, Verdict
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.compare.map_model import HE, NO_VIRTUAL, OFF, VIRTUAL
from napari_virtual_ihc.widgets.compare.model import NO_REGISTRATION
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.layers import heat_of
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from napari import Viewer
    from napari.layers import Image

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Open = Callable[[Slide], Session]
    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def docked(window: Viewer) -> CompareController:
    dock = Dock(window, [CompareController])
    window.window.add_dock_widget(dock, name="Compare", area="right")
    page = dock.pages[0]
    assert isinstance(page, CompareController)
    return page


@pytest.fixture
def compare(window: Viewer, opened: Open) -> CompareController:
    """Return the page over two registered slides, without a virtual layer."""
    registered(opened(he_slide()))
    return docked(window)


def maps(viewer: Viewer) -> list[Image]:
    return [layer for layer in viewer.layers if heat_of(layer) is not None]


def shown(session: Session) -> np.ndarray:
    """Return the finest level of the map, once it is there."""
    assert wait_until_settled(session, 30)
    (layer,) = maps(session.viewer)
    level: np.ndarray = layer.data[0][0 : SIDE // 32, 0 : SIDE // 32]
    return level


def test_a_map_goes_with_its_choice_its_layer_and_its_registration(
    window: Viewer, compare: CompareController
) -> None:
    session, state = compare.session, compare.map_state
    compare.view.map.map_chosen.emit("comparability")
    pixels = shown(compare.session)
    good = (pixels[..., :3] == COLOURS[Verdict.COMPARABLE][:3]).all(axis=-1)
    bad = (pixels[..., :3] == COLOURS[Verdict.SHIFTED][:3]).all(axis=-1)
    torn = (pixels[..., :3] == COLOURS[Verdict.TORN_OR_FOLDED][:3]).all(axis=-1)
    assert good[2:-2, 2:10].mean() > 0.9
    assert (good | torn)[2:-2, 2:13].mean() > 0.9
    assert bad[2:-2, 19:-2].mean() > 0.8
    assert "window 80 µm" in compare.view.map.formula.text()
    legend = compare.session.canvas.legend
    assert _spin_until(legend.isVisible)
    assert {words for words, _ in legend.scale.classes} >= {"comparable", "shifted"}
    compare.map.choose("ncc")
    time.sleep(0.2)  # its producer is ready, and word of it on the way
    compare.map.choose("ssim")
    shown(session)
    assert "SSIM" in maps(window)[0].name
    compare.map.choose("displacement")
    assert shown(session)[..., 3].any()
    assert "a value every 16 µm" in compare.view.map.formula.text()
    compare.map.choose("focus")
    shown(session)
    assert "Focus" in maps(window)[0].name
    window.layers.remove(maps(window)[0])
    assert state.name == OFF
    compare.map.choose("ncc")
    shown(session)
    session.align(None)
    assert not maps(window)
    assert state.name == "ncc"
    assert compare.view.hint.text() == NO_REGISTRATION
    assert not compare.view.map.isEnabled()


def test_a_map_of_virtual_pixels_is_made_of_the_models_tiles(window: Viewer, page: Page) -> None:
    prepare = FakePrepare(demo=FakeModel(colour=UNCHANGED), other=FakeModel(colour=1))
    session, translate = page(he_slide(), prepare)
    assert wait_until_settled(session, 20)
    registered(session)
    compare = docked(window)
    compare.map.choose_between(VIRTUAL)
    compare.map.choose("dab_difference")
    pixels = shown(session)
    seen = pixels[..., 3] > 0
    assert seen[2:-2, 2:13].mean() > 0.8
    assert seen[2:-2, 20:-2].mean() < 0.1
    model = prepare.models["demo"]
    assert model.threads == {"virtual-ihc-models-maker"}
    assert len(model.made) == 16
    assert threading.main_thread().name not in model.threads
    compare.map.choose("ncc")
    shown(session)
    translate.translation.set_model("other")
    assert _spin_until(lambda: len(prepare.models["other"].made) == 16, 20)
    shown(session)
    translate.translation.set_live(False)
    window.layers.remove(next(one for one in window.layers if "virtual" in one.name))
    assert _spin_until(lambda: not [one for one in maps(window) if "Local" in one.name])
    assert compare.view.map.waiting.text() == NO_VIRTUAL
    compare.map.choose("dab_difference")
    assert compare.view.map.waiting.text() == NO_VIRTUAL
    assert not maps(window)
    compare.map.choose_between(HE)
    compare.map.choose("tissue")
    shown(session)
    window.layers.remove(window.layers["ihc.svs"])
    assert not maps(window)
