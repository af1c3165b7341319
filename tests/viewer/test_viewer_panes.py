"""Linked panes in a real window: one camera, one set of tiles, layers and labels of their own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtGui import QImage
from test_viewer_window import _spin_until
from viewer_fakes import FakeModel, FakePrepare, painted_slide

from napari_virtual_ihc.widgets.camera import look_at, turn_by, turn_of, view_centre, visible_box
from napari_virtual_ihc.widgets.layers import virtual_of
from napari_virtual_ihc.widgets.overlays import BANNER
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.views.solo import Solo, images
from napari_virtual_ihc.widgets.virtual import virtual_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def banner(viewer: ViewerModel) -> bool:
    return BANNER in viewer.canvas.overlays and viewer.canvas.overlays[BANNER].visible


def square(canvas: Any, half: int = 60) -> NDArray[np.int32]:
    """Return the middle of the canvas, without labels."""
    image = canvas.grabFramebuffer().convertToFormat(QImage.Format.Format_RGB888)
    height, width, stride = image.height(), image.width(), image.bytesPerLine()
    flat = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    pixels = flat.reshape(height, stride)[:, : 3 * width].reshape(height, width, 3)
    y, x = height // 2, width // 2
    return pixels[y - half : y + half, x - half : x + half].astype(np.int32)


def test_two_panes_share_camera_tiles_and_settings(window: Viewer, page: Page) -> None:
    model = FakeModel()
    window.window.resize(1500, 700)
    session, _ = page(painted_slide(2048, 2048), FakePrepare(demo=model))
    look_at(window, 500.0, 500.0, 10)
    session.panes.arrange(2)
    assert wait_until_settled(session, 60)
    (pane,) = session.panes.all()
    assert window.scene.camera.center[-2:] == pane.viewer.scene.camera.center[-2:] == (500.0, 500.0)
    assert window.scene.camera.zoom == pane.viewer.scene.camera.zoom == 1.0
    assert virtual_of(pane.layer) is not None
    assert not virtual_layers(window)[0].visible
    assert _spin_until(lambda: banner(pane.viewer) and not banner(window))
    look_at(window, 700.0, 300.0, 20)
    assert _spin_until(lambda: pane.viewer.scene.camera.center[-2:] == (700.0, 300.0))
    look_at(pane.viewer, 300.0, 650.0, 10)
    assert _spin_until(lambda: window.scene.camera.center[-2:] == (300.0, 650.0))
    assert window.scene.camera.zoom == 1.0
    assert wait_until_settled(session, 60)
    top, left, bottom, right = (int(side) for side in visible_box(pane.viewer))
    shown = pane.viewer.layers[-1].data[1][max(top, 0) : bottom, max(left, 0) : right]
    assert shown[..., 3].min() == 255
    assert max(Counter(model.made).values()) == 1
    source, twin = images(window)[0], pane.viewer.layers[0]
    source.gamma = 0.7
    source.affine = np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1.0]])
    assert twin.gamma == 0.7
    np.testing.assert_array_equal(twin.affine, source.affine)
    source.affine = np.eye(3)
    before = square(pane.dressing.overview.parentWidget())
    turn_by(window, 90)
    assert _spin_until(lambda: turn_of(pane.viewer) == 90)
    assert wait_until_settled(session, 60)
    difference = np.abs(square(pane.dressing.overview.parentWidget()) - np.rot90(before, -1))
    assert np.percentile(difference, 95) <= 6


def test_panes_say_and_change_what_they_show(window: Viewer, page: Page) -> None:
    prepare = FakePrepare(demo=FakeModel(), other=FakeModel(colour=1))
    session, translate = page(painted_slide(1024, 1024), prepare)
    assert wait_until_settled(session, 60)
    session.panes.arrange(2)
    (pane,) = session.panes.all()
    assert pane.viewer.canvas.overlays.scale_bar.visible
    assert pane.dressing.overview.isVisible()
    assert pane.head.choice.currentText() == virtual_layers(window)[0].name
    translate.translation.set_model("other")
    assert _spin_until(lambda: "other" in pane.head.choice.currentText(), 20)
    assert wait_until_settled(session, 60)
    assert [layer.name for layer in virtual_layers(window)] == ["Ki-67 virtual · other"]
    assert pane.layer is virtual_layers(window)[0]
    pane.head.chosen.emit(0)
    assert pane.layer is images(window)[0]
    session.panes.head.chosen.emit(2)
    assert virtual_layers(window)[0].visible
    assert _spin_until(lambda: banner(window) and not banner(pane.viewer))
    own, shown = session.panes.own(), pane.layer
    session.panes.swap()
    assert (session.panes.own(), pane.layer) == (shown, own)
    pane.set_linked(False)
    look_at(pane.viewer, 100.0, 120.0)
    assert not _spin_until(lambda: view_centre(window) == pytest.approx((100, 120)), 0.1)
    before = view_centre(window)
    pane.set_linked(True)
    look_at(window, before[0] + 30, before[1])
    assert _spin_until(lambda: view_centre(pane.viewer) == pytest.approx((130, 120)))
    session.panes.arrange(4)
    assert len(session.panes.all()) == 3
    session.panes.all()[0].head.close_requested.emit()
    assert len(session.panes.all()) == 2
    session.panes.arrange(1)
    assert not session.panes.head.isVisible()
    assert all(layer.visible for layer in images(window))
    assert session.connections.all() == session.adapters()


def test_a_solo_gives_back_what_was_visible() -> None:
    viewer = ViewerModel()
    layers = [viewer.add_image(np.zeros((4, 4)), visible=on) for on in (True, False, True)]
    outline = viewer.add_shapes()
    solo = Solo(viewer)
    solo.show(layers[1:2])
    assert [layer.visible for layer in layers] == [False, True, False]
    solo.show(layers[:1])
    assert outline.visible
    solo.restore()
    assert [layer.visible for layer in layers] == [True, False, True]
