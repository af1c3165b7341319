"""Two layers in one picture: what curtain, checkerboard, blink and opacity put on screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel
from test_viewer_window import _spin_until
from viewer_fakes import FakePrepare, painted_slide

from napari_virtual_ihc.widgets.camera import look_at
from napari_virtual_ihc.widgets.layers import VIRTUAL, virtual_of
from napari_virtual_ihc.widgets.overlays import BANNER, BANNER_RGBA
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.views.mixing_model import (
    SQUARE_PX,
    Way,
    framed,
    place_words,
    weights,
)
from napari_virtual_ihc.widgets.views.solo import images
from napari_virtual_ihc.widgets.virtual import banner_in_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def picture(viewer: Viewer) -> NDArray[np.int32]:
    """Return the canvas without its top and bottom, where labels are."""
    pixels = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(np.int32)
    return pixels[pixels.shape[0] // 4 : -pixels.shape[0] // 4]


def same(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    return bool(np.abs(one - other).max() <= 1)


def test_cutting_and_fading_two_layers(window: Viewer, page: Page) -> None:
    session, translate = page(painted_slide(1024, 1024), FakePrepare())
    look_at(window, 256.0, 256.0, 20)
    assert wait_until_settled(session, 60)
    mixing, (he, virtual) = session.mixing, images(window)
    virtual.opacity = 0.9
    mixing.start(Way.BLINK)
    mixing.set_share(0)
    assert virtual.opacity == 0
    assert _spin_until(lambda: not window.canvas.overlays[BANNER].visible)
    first = picture(window)
    mixing.flip()
    assert virtual.opacity == 0.9
    second = picture(window)
    width = first.shape[1]
    assert not same(first, second)
    mixing.start(Way.CURTAIN)
    mixing.set_share(0.25)
    line = width // 4
    cut = picture(window)
    assert same(cut[:, : line - 1], first[:, : line - 1])
    assert same(cut[:, line + 1 :], second[:, line + 1 :])
    mixing.swap()
    assert mixing.pair == (virtual, he)
    cut = picture(window)
    assert same(cut[:, : line - 1], second[:, : line - 1])
    mixing.start(Way.CHECKERBOARD)
    board = picture(window)
    told_apart = np.abs(first - second).max(axis=-1) > 2
    shows_second = np.abs(board - second).max(axis=-1) <= 1
    height = window.canvas.size[0]
    up = height - 1 - (np.arange(board.shape[0]) + height // 4)
    odd = (up[:, None] // SQUARE_PX + np.arange(width)[None] // SQUARE_PX) % 2 == 0
    purple = np.rint(255 * np.array(BANNER_RGBA[:3]))
    frames = np.abs(board - purple).max(axis=-1) <= 1
    at = [np.arange(size) % SQUARE_PX for size in (height, width)]
    edges = [np.minimum(one, SQUARE_PX - 1 - one) < 3 for one in at]
    near = edges[0][up][:, None] | edges[1][None]
    assert (frames == (near & odd)).mean() > 0.995
    assert (shows_second == odd)[told_apart & ~near].mean() > 0.98
    canvas = window.window._qt_viewer.canvas.native
    (label,) = (one for one in canvas.findChildren(QLabel) if one.text().startswith("framed:"))
    assert label.text() == f"framed: {virtual.name}\nothers: {he.name}"
    assert label.isVisible()
    assert label.y() > canvas.height() // 2
    words = window.canvas.overlays[BANNER].text.replace("\n", " · ")
    assert words.startswith("VIRTUAL Ki-67 in framed squares, REAL in the others · demo")
    assert banner_in_view(window).startswith("VIRTUAL Ki-67 in framed squares")
    second_model_is_named(session)
    go = mixing.hold_other()
    assert mixing.way is Way.BLINK
    go()
    assert mixing.way is Way.CHECKERBOARD
    mixing.head.pair_wanted.emit(1, 1)
    assert mixing.pair == (he, virtual)
    translate.translation.set_model("other")
    assert _spin_until(lambda: mixing.pair is not None and mixing.pair[1] is not virtual, 20)
    assert wait_until_settled(session, 60)
    he, virtual = images(window)
    assert mixing.pair == (he, virtual)
    assert mixing.way is Way.CHECKERBOARD
    virtual.opacity = 0.9
    session.panes.arrange(2)
    assert mixing.way is None
    (pane,) = session.panes.all()
    own = session.panes.own(), pane.layer
    go = mixing.hold_other()
    assert (pane.layer, session.panes.own()) == own
    go()
    assert (session.panes.own(), pane.layer) == own
    virtual.opacity = 0.9
    assert pane.viewer.layers[-1].opacity == 0.9
    session.panes.arrange(1)
    assert wait_until_settled(session, 60)
    assert window.scene.camera.zoom == 2.0
    assert [he.opacity, virtual.opacity] == [1.0, 0.9]
    assert banner_in_view(window).startswith("VIRTUAL Ki-67 · other")


@pytest.mark.parametrize(
    ("way", "share", "virtual", "expected"),
    [
        (Way.CURTAIN, 0.3, 0, "left of the line, REAL right"),
        (Way.CURTAIN, 0.3, 1, "right of the line, REAL left"),
        (Way.CHECKERBOARD, 0.5, 0, "in framed squares, REAL in the others"),
        (Way.OPACITY, 0.4, 1, "mixed with REAL"),
        (Way.OPACITY, 1.0, 1, ""),
        (Way.BLINK, 1.0, 1, ""),
    ],
)
def test_the_banner_says_where_what_is_virtual_is_seen(
    way: Way, share: float, virtual: int, expected: str
) -> None:
    assert place_words(way, share, virtual, "REAL") == expected


def test_the_virtual_one_of_two_layers_is_framed_and_never_the_uncut_one() -> None:
    assert framed((True, False), second_is_base=False) == 0
    assert framed((False, True), second_is_base=False) == 1
    assert [framed((False, False), second_is_base=base) for base in (True, False)] == [0, 1]


def second_model_is_named(session: Session) -> None:
    """Mix the virtual layer with that of another model, and again with the H&E."""
    virtual, he = session.mixing.pair
    info = replace(virtual_of(virtual), model="other")
    other = session.viewer.add_image(
        np.zeros((1024, 1024, 3), np.uint8), scale=(0.5, 0.5), metadata={VIRTUAL: info}
    )
    session.mixing.set_pair(virtual, other)
    words = banner_in_view(session.viewer)
    assert words.startswith("VIRTUAL Ki-67 beside Ki-67 by demo · other ")
    session.mixing.set_pair(virtual, he)
    session.viewer.layers.remove(other)


@pytest.mark.parametrize(
    ("way", "share", "on_top", "expected"),
    [
        (Way.CURTAIN, 0.2, True, (1, 1)),
        (Way.BLINK, 0.0, True, (1, 0)),
        (Way.BLINK, 1.0, False, (0, 1)),
        (Way.OPACITY, 0.3, True, (1, 0.3)),
        (Way.OPACITY, 0.25, False, (0.75, 1)),
        (Way.OPACITY, 1.0, True, (0, 1)),
        (Way.OPACITY, 0.0, False, (1, 0)),
    ],
)
def test_weights(way: Way, share: float, on_top: bool, expected: tuple[float, float]) -> None:
    assert weights(way, share, second_on_top=on_top) == pytest.approx(expected)
