"""A napari window with slides and the dock in it, for the command line and for scripts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_virtual_ihc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.dock import Dock
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

WINDOW_PX = (1500, 940)
P = TypeVar("P")


@dataclass(frozen=True)
class Shown:
    """An open window."""

    viewer: Viewer
    session: Session
    translate: TranslateController
    dock: Dock

    def page(self, kind: type[P]) -> P:
        """Return the page of the dock that is of this kind."""
        return next(page for page in self.dock.pages if isinstance(page, kind))


def has_display() -> bool:
    """Whether a window can be shown here."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def open_window(slides: Sequence[Slide], model: str = "", paths: Sequence[Path] = ()) -> Shown:
    """Open a viewer with the dock and these slides, the first on top of the list of slides.

    Parameters
    ----------
    slides
        The H&E first; the others start hidden.
    model
        Name of the model to translate with; the preferred one where empty.
    paths
        Where the files of the first slides lie.

    Raises
    ------
    UsageError
        If there is no display.
    """
    if not has_display():
        raise UsageError("There is no display to open a window on; run this under xvfb-run.")
    import napari
    from napari.layers import Image

    from napari_virtual_ihc.widgets.dock import VirtualIhcDock
    from napari_virtual_ihc.widgets.layers import PATH, slide_layer
    from napari_virtual_ihc.widgets.session import session_of
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    viewer = napari.Viewer(title="Virtual IHC")
    viewer.window.resize(*WINDOW_PX)
    dock = VirtualIhcDock(viewer)
    viewer.window.add_dock_widget(dock, name="Virtual IHC", area="right")
    session = session_of(viewer)
    page = dock.pages[0]
    if session is None or not isinstance(page, TranslateController):
        raise UsageError("The window could not be opened.")
    if model:
        page.translation.set_model(model)
    for index, slide in enumerate(slides):
        data, arguments, _ = slide_layer(slide)
        if index < len(paths):
            arguments["metadata"][PATH] = str(paths[index])
        viewer.add_layer(Image(data, **arguments, visible=index == 0))
    return Shown(viewer, session, page, dock)


def run() -> None:
    """Run napari until its windows are closed."""
    import napari

    napari.run()
