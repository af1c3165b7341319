"""A real napari window over a slow, watched stand-in for a model."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject
from viewer_fakes import FakeModel, FakePrepare, painted_slide

from napari_virtual_ihc.widgets.camera import Box, look_at, set_magnification
from napari_virtual_ihc.widgets.layers import heat_of, virtual_of
from napari_virtual_ihc.widgets.overlays import BANNER
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.translate.model import TileCounts, progress_text
from napari_virtual_ihc.widgets.virtual import virtual_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image, Layer
    from qtpy.QtWidgets import QApplication  # noqa: F401

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Open = Callable[[Slide], Session]
    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def _spin_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        if condition():
            return True
        time.sleep(0.005)
    return False


def _virtual(viewer: Viewer) -> Image:
    return virtual_layers(viewer)[-1]


def _ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("virtual-ihc")]


def test_no_slide_is_read_in_the_window(window: Viewer, opened: Open) -> None:
    slide = painted_slide()
    session = opened(slide)
    look_at(window, 600.0, 900.0, 20)
    assert wait_until_settled(session, 20)
    assert slide.source.threads
    assert not slide.source.threads & {threading.main_thread().name}


def test_a_slide_is_placed_in_micrometres(window: Viewer, opened: Open) -> None:
    opened(painted_slide(4096, 2048, 0.25))
    layer = window.layers[0]
    assert tuple(layer.scale) == (0.25, 0.25)
    assert tuple(layer.translate) == (0.125, 0.125)
    assert {str(unit) for unit in layer.units} == {"micrometer"}


def test_the_first_pixels_are_the_slides(window: Viewer, opened: Open) -> None:
    slide = painted_slide()
    session = opened(slide)
    look_at(window, 500.0, 500.0, 20)
    assert wait_until_settled(session, 20)
    level = window.layers[0].data[0]
    block = level[900:1100, 900:1100]
    np.testing.assert_array_equal(block[..., :3], slide.source.read(0, 900, 900, 200, 200)[0])
    assert block[..., 3].min() == 255


def test_a_missing_scale_is_asked_for_and_translation_waits(window: Viewer, page: Page) -> None:
    session, translate = page(painted_slide(1024, 1024, None), FakePrepare())
    assert not virtual_layers(window)
    assert "µm/px" in translate.view.hint.text()
    assert {str(unit) for unit in window.layers[0].units} == {"pixel"}
    assert session.chosen is not None
    session.set_scale(session.chosen, 0.5)
    assert wait_until_settled(session, 20)
    assert tuple(window.layers[0].scale) == (0.5, 0.5)
    assert len(virtual_layers(window)) == 1


def test_models_run_and_load_away_from_the_window(window: Viewer, page: Page) -> None:
    prepare = FakePrepare()
    session, _ = page(painted_slide(), prepare)
    assert wait_until_settled(session, 20)
    main = {threading.main_thread().name}
    assert prepare.models["demo"].threads
    assert not (prepare.models["demo"].threads | prepare.threads) & main


def test_the_banner_is_there_where_virtual_pixels_are(window: Viewer, page: Page) -> None:
    session, _ = page(painted_slide(), FakePrepare())
    assert wait_until_settled(session, 20)
    banner = window.canvas.overlays[BANNER]
    assert _spin_until(lambda: banner.visible)
    assert banner.text.replace("\n", " · ") == "VIRTUAL Ki-67 · demo · research use only"
    _virtual(window).visible = False
    assert _spin_until(lambda: not banner.visible)


def test_the_banner_says_when_a_real_slide_lies_over_virtual_pixels(
    window: Viewer, page: Page, opened: Open
) -> None:
    page(painted_slide(), FakePrepare())
    banner = window.canvas.overlays[BANNER]
    assert _spin_until(lambda: banner.visible)
    opened(painted_slide())
    assert _spin_until(lambda: banner.text.startswith("REAL slide over VIRTUAL Ki-67"))
    window.layers[-1].visible = False
    assert _spin_until(lambda: banner.text.startswith("VIRTUAL"))


def test_stale_tiles_are_dropped_within_a_tenth_of_a_second(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=30.0)
    look_at(window, 300.0, 300.0, 20)
    page(painted_slide(16_384, 16_384), FakePrepare(demo=model))
    look_at(window, 300.0, 300.0, 20)
    waits = []
    for step in range(1, 6):
        assert _spin_until(lambda: model.busy)
        before, moved = model.cancelled, time.monotonic()
        look_at(window, 300.0 + 1200 * step, 300.0 + 1200 * step)
        assert _spin_until(lambda before=before: model.cancelled > before, 2.0)
        waits.append(time.monotonic() - moved)
    assert min(waits) < 0.1


def test_the_middle_of_the_view_comes_first(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=0.15)
    session, _ = page(painted_slide(), FakePrepare(demo=model))
    look_at(window, 640.0, 640.0, 20)
    _spin_until(lambda: False, 0.4)
    model.made.clear()
    look_at(window, 1472.0, 1344.0)
    assert _spin_until(lambda: bool(model.made))
    assert (model.made[0].row, model.made[0].col) == (11, 10)
    model.seconds = 0.0
    assert wait_until_settled(session, 20)


def test_another_model_never_blanks_the_view(window: Viewer, page: Page) -> None:
    slow = FakeModel(seconds=1.5, colour=1)
    session, translate = page(painted_slide(2048, 2048), FakePrepare(demo=FakeModel(), other=slow))
    assert wait_until_settled(session, 20)
    first = _virtual(window)
    translate.translation.set_model("other")
    assert _spin_until(lambda: len(virtual_layers(window)) == 2)
    assert not slow.made
    assert first in window.layers
    assert _spin_until(lambda: first not in window.layers)
    assert slow.made
    slow.seconds = 0.0
    assert wait_until_settled(session, 20)


def test_failed_tiles_are_hatched_counted_and_explained(window: Viewer, page: Page) -> None:
    model = FakeModel(fails=frozenset({(1, 1)}))
    session, translate = page(painted_slide(1024, 1024), FakePrepare(demo=model))
    look_at(window, 256.0, 256.0, 20)
    assert wait_until_settled(session, 20)
    assert _spin_until(lambda: translate.state.tiles.failed == 1)
    assert translate.translation.failures() == {"The fake model was told to fail here.": 1}
    assert tuple(_virtual(window).data[0][300, 308]) in {(200, 30, 120, 255), (225, 225, 225, 150)}
    model.fails = frozenset()
    translate.translation.retry()
    assert wait_until_settled(session, 20)
    assert _spin_until(lambda: translate.state.tiles.failed == 0)


def test_a_model_that_cannot_load_is_one_sentence(window: Viewer, page: Page) -> None:
    prepare = FakePrepare()
    prepare.error = "Model demo: weights.safetensors has a wrong hash."
    _, translate = page(painted_slide(1024, 1024), prepare)
    assert _spin_until(lambda: bool(translate.state.error))
    assert translate.view.error.text() == prepare.error
    assert not virtual_layers(window)


def test_held_shows_what_there_is_and_makes_nothing(window: Viewer, page: Page) -> None:
    model = FakeModel()
    session, translate = page(painted_slide(), FakePrepare(demo=model))
    look_at(window, 500.0, 500.0, 20)
    assert wait_until_settled(session, 20)
    translate.translation.set_live(False)
    made = len(model.made)
    look_at(window, 1500.0, 1500.0)
    _spin_until(lambda: False, 0.4)
    assert len(model.made) == made
    translate.translation.set_live(True)
    assert _spin_until(lambda: len(model.made) > made)
    assert wait_until_settled(session, 20)


def test_a_view_stopped_half_way_is_not_called_complete(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=0.4)
    _, translate = page(painted_slide(), FakePrepare(demo=model))
    look_at(window, 500.0, 500.0, 20)
    assert _spin_until(lambda: 0 < translate.state.tiles.done < translate.state.tiles.wanted)
    translate.translation.set_live(False)
    _spin_until(lambda: False, 0.6)
    tiles = translate.state.tiles
    assert tiles.done < tiles.wanted
    assert progress_text(translate.state).endswith("Live is off")
    translate.translation.set_live(True)
    assert _spin_until(lambda: translate.state.tiles.done > tiles.done)


def test_filling_makes_the_whole_slide(window: Viewer, page: Page) -> None:
    model = FakeModel()
    session, translate = page(painted_slide(2048, 1536), FakePrepare(demo=model))
    look_at(window, 100.0, 100.0, 40)
    assert wait_until_settled(session, 20)
    assert len(set(model.made)) < 48
    translate.translation.set_fill(True)
    assert wait_until_settled(session, 20, filled=True)
    assert len(set(model.made)) == 48
    assert len(model.made) == 48
    assert _spin_until(lambda: translate.state.tiles[:2] == (48, 48))


def test_counts_that_change_move_no_switch(window: Viewer, page: Page) -> None:
    """A switch that is set again animates, and each step of it draws the whole window anew."""
    session, translate = page(painted_slide(), FakePrepare())
    assert wait_until_settled(session, 20)
    _spin_until(lambda: False, 0.3)
    drawn: list[int] = []

    class Watch(QObject):
        def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
            if event is not None and event.type() == QEvent.Type.Paint:
                drawn.append(1)
            return False

    watch = Watch()
    translate.view.live.installEventFilter(watch)
    for done in range(5):
        translate.state.tiles = TileCounts(done, 5)
        _spin_until(lambda: False, 0.05)
    assert len(drawn) <= 5


def test_a_region_becomes_a_layer_with_numbers(window: Viewer, page: Page) -> None:
    session, translate = page(painted_slide(), FakePrepare())
    assert wait_until_settled(session, 20)
    look_at(window, 700.0, 700.0, 20)
    translate.regions.translate_view()
    assert wait_until_settled(session, 20)
    region = window.layers[-1]
    assert region.name == "Region 1 · Ki-67 virtual"
    assert virtual_of(region) is not None
    numbers = translate.state.numbers
    assert numbers is not None
    height, width = window.canvas.size
    assert numbers.area_mm2 == pytest.approx(height * width * 0.25 / 1e6, rel=0.02)
    assert "DAB OD" in translate.view.numbers.toolTip()


def test_a_region_of_a_diffusion_tells_step_and_time_left(window: Viewer, page: Page) -> None:
    prepare = FakePrepare(demo=FakeModel(), noisy=FakeModel(seconds=1.5))
    session, translate = page(painted_slide(), prepare)
    look_at(window, 500.0, 500.0, 20)
    translate.translation.set_model("noisy")
    assert wait_until_settled(session, 20)
    look_at(window, 1500.0, 1500.0, 20)
    translate.regions.translate(Box(1400, 1400, 1650, 1650))
    told = translate.view.counts.text
    assert _spin_until(lambda: "step 3 of 20" in told() and "s left" in told(), 10)
    translate.regions.cancel()


def test_a_map_of_trust_is_a_layer_with_a_legend(window: Viewer, page: Page) -> None:
    session, translate = page(painted_slide(), FakePrepare())
    look_at(window, 500.0, 500.0, 20)
    assert wait_until_settled(session, 20)
    offered = translate.state.trusts
    assert offered == ("off", "jitter", "unfamiliar input", "against other", "against noisy")
    translate.view.setting_changed.emit("trust", "unfamiliar input")
    assert translate.view.cancel.isVisible()
    assert _spin_until(lambda: "does not state" in translate.state.error)
    assert (translate.state.trust, translate.state.activity) == ("off", "")
    translate.view.setting_changed.emit("trust", "against noisy")
    assert wait_until_settled(session, 20)
    assert [layer.opacity for layer in _heats(window)] == [0.6]
    translate.translation.set_model("noisy")
    assert wait_until_settled(session, 20)
    assert translate.view.settings.choices["trust"].currentText() == "off"
    assert _spin_until(lambda: not _heats(window))
    translate.view.setting_changed.emit("trust", "spread over 3 seeds")
    assert _spin_until(lambda: bool(_heats(window)))
    assert wait_until_settled(session, 20)
    layer, legend = _heats(window)[0], session.canvas.legend
    assert window.layers.index(layer) > window.layers.index(_virtual(window))
    assert legend.isVisible()
    assert legend.scale is not None
    assert legend.scale.title == "Spread over 3 seeds"
    assert np.asarray(layer.data[0][900:1100, 900:1100])[..., 3].min() == 255
    layer.visible = False
    assert _spin_until(lambda: not legend.isVisible())
    translate.translation.set_model("demo")
    assert _spin_until(lambda: not _heats(window))


def _heats(viewer: Viewer) -> list[Layer]:
    return [layer for layer in viewer.layers if heat_of(layer) is not None]


def test_camera_paths_do_not_change_a_pixel(window: Viewer, page: Page) -> None:
    session, _ = page(painted_slide(), FakePrepare())
    rng = np.random.default_rng(4)
    pictures = []
    for _ in range(3):
        session.services.cache.clear()
        for _ in range(4):
            look_at(window, *rng.uniform(100, 1900, 2), float(rng.choice([5, 10, 20, 40])))
            _spin_until(lambda: False, float(rng.uniform(0, 0.1)))
        look_at(window, 1024.0, 1024.0, 20)
        assert wait_until_settled(session, 20)
        pictures.append(window.screenshot(canvas_only=True, flash=False))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_removing_the_layer_stops_its_worker(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=0.3)
    session, _ = page(painted_slide(), FakePrepare(demo=model))
    assert _spin_until(lambda: bool(model.threads))
    window.layers.remove(_virtual(window))
    assert session.services.running() == ("slides",)
    assert _spin_until(lambda: not [n for n in _ours() if "models" in n])


def test_closing_the_dock_stops_its_worker(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=0.3)
    session, translate = page(painted_slide(), FakePrepare(demo=model))
    assert _spin_until(lambda: bool(model.threads))
    window.window.remove_dock_widget("all")
    assert session.services.running() == ("slides",)
    assert _spin_until(lambda: not [n for n in _ours() if "models" in n])
    assert translate.translation.shown is None


def test_closing_the_viewer_stops_every_thread(window: Viewer, page: Page) -> None:
    model = FakeModel(seconds=0.3)
    page(painted_slide(), FakePrepare(demo=model))
    assert _spin_until(lambda: bool(model.threads))
    window.close()
    assert _spin_until(lambda: not _ours())


def test_overview_and_presets_move_the_camera(window: Viewer, opened: Open) -> None:
    session = opened(painted_slide(4096, 4096, 0.5))
    session.canvas.overview.looked_at.emit(1000.0, 500.0)
    assert window.scene.camera.center[-2:] == (1000.0, 500.0)
    set_magnification(window, 20)
    height, width = window.canvas.size
    rectangle = session.canvas.overview.rectangle()
    scale = session.canvas.overview.width() / 2048
    assert rectangle.width() == pytest.approx(width / 2 * scale, rel=0.01)
    assert rectangle.height() == pytest.approx(height / 2 * scale, rel=0.01)
