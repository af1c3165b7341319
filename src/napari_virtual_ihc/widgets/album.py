"""Pictures of a window by a script: wait until everything is on screen, then take one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.picture import export_picture
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.widgets.show import Shown

PATIENCE_S = 3600.0
_STEP_S = 0.02
_TOO_LATE = "The view was not complete after an hour."


class Album:
    """Takes pictures of one window, each once the window rests.

    Parameters
    ----------
    shown
        The window.
    out
        Folder of the pictures.
    """

    def __init__(self, shown: Shown, out: Path) -> None:
        self.shown, self.out = shown, out
        self.pictures: list[Path] = []

    def settle(self, *, filled: bool = False) -> None:
        """Wait until every view is complete, and slides that are being filled where ``filled``.

        Raises
        ------
        VirtualIhcError
            If the slide cannot be shown or translated, or nothing came of it in an hour.
        """
        settled = wait_until_settled(self.shown.session, PATIENCE_S, filled=filled)
        require(self.shown.translate.state.error)
        if not settled:
            raise VirtualIhcError(_TOO_LATE)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Run the window until ``condition`` holds; raises VirtualIhcError after an hour."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            QApplication.processEvents()
            time.sleep(_STEP_S)
            if time.monotonic() > end:
                raise VirtualIhcError(_TOO_LATE)

    def window(self, name: str) -> None:
        """Take a picture of the whole window once it rests."""
        self.settle()
        path = self.out / f"{name}.png"
        self.shown.viewer.screenshot(str(path), canvas_only=False, flash=False)
        self.pictures.append(path)

    def canvas(self, name: str) -> None:
        """Take a picture of the canvas once it rests; virtual pixels bring their mark."""
        self.settle()
        self.pictures.append(export_picture(self.shown.viewer, self.out / f"{name}.png"))


def require(error: str) -> None:
    """Raise VirtualIhcError where a page says what failed."""
    if error:
        raise VirtualIhcError(error)
