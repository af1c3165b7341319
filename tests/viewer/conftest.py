from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from viewer_fakes import FakePrepare

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController


@pytest.fixture
def window(request: pytest.FixtureRequest) -> Viewer:
    """Return a viewer in a real window, watched for leaks."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        pytest.skip("no display: run under xvfb-run")
    make = request.getfixturevalue("make_napari_viewer")
    viewer: Viewer = make(show=True, strict_qt="raise")
    viewer.window.resize(900, 600)
    return viewer


@pytest.fixture
def opened(window: Viewer) -> Callable[[Slide], Session]:
    """Open a slide in the window, wait for its pixels, and return the session."""
    from napari.layers import Image

    from napari_virtual_ihc.widgets.layers import slide_layer
    from napari_virtual_ihc.widgets.session import session_of
    from napari_virtual_ihc.widgets.settle import wait_until_settled

    def open_it(slide: Slide) -> Session:
        session = session_of(window)
        assert session is not None
        data, arguments, _ = slide_layer(slide)
        window.add_layer(Image(data, **arguments))
        assert wait_until_settled(session, 20)
        return session

    return open_it


@pytest.fixture
def page(
    window: Viewer, opened: Callable[[Slide], Session]
) -> Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]:
    """Open a slide and a Translate dock over it; returns the session and the page."""
    from viewer_fakes import FakeLibrary

    from napari_virtual_ihc.widgets.dock import Dock
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    def open_it(slide: Slide, prepare: FakePrepare) -> tuple[Session, TranslateController]:
        session = opened(slide)
        maker = lambda session: TranslateController(session, FakeLibrary(), prepare)  # noqa: E731
        dock = Dock(window, [maker])
        window.window.add_dock_widget(dock, name="Virtual IHC", area="right")
        return session, dock.pages[0]

    return open_it
