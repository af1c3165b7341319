"""Take the README's pictures of the bundled diffusion: becoming, finished, and its spread.

It takes about a quarter of an hour on two CPU cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from qtpy.QtWidgets import QApplication
from screenshots import SEED, SIDE_PX, beside, save

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.widgets.camera import look_at
from napari_virtual_ihc.widgets.picture import export_picture
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.show import Shown, open_window
from napari_virtual_ihc.widgets.virtual import hide_virtual, show_again

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL, SEEDS = "demo-miu-diff", "spread over 3 seeds"
PLACE = 690.0, 850.0
MAGNIFICATION = 40
STEP = 8
PATIENCE = 3600.0


class Pictures:
    """Looks at one place of a slide while a diffusion translates it.

    Parameters
    ----------
    shown
        The window.
    work
        Folder of the pictures as they were taken.
    out
        Folder of those for the README.
    """

    def __init__(self, shown: Shown, work: Path, out: Path) -> None:
        self._shown, self._work, self._out = shown, work, out

    def take(self) -> None:
        """Take all pictures."""
        page = self._shown.translate
        look_at(self._shown.viewer, *PLACE, MAGNIFICATION)
        page.view.settings.expand(animate=False)
        self._wait_for(lambda: page.state.tiles.done >= 1 and page.state.tiles.step >= STEP)
        self._window("diffusion-preview")
        self._settle()
        self._window("diffusion-window")
        self._pair()
        page.trust.choose(SEEDS)
        self._wait_for(lambda: self._shown.session.canvas.legend.isVisible())
        self._settle()
        self._window("diffusion-spread")

    def _settle(self) -> None:
        if not wait_until_settled(self._shown.session, PATIENCE):
            raise SystemExit("The view was not complete after an hour.")

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)
            if time.monotonic() > end or self._shown.translate.state.error:
                raise SystemExit(self._shown.translate.state.error or "Nothing came in an hour.")

    def _pair(self) -> None:
        virtual = export_picture(self._shown.viewer, self._work / "virtual.png")
        hidden = hide_virtual(self._shown.viewer)
        self._settle()
        he = export_picture(self._shown.viewer, self._work / "he.png")
        show_again(hidden)
        self._settle()
        both = beside(*(Image.open(path).convert("RGB") for path in (he, virtual)))
        save(both, self._out / "diffusion-he-and-virtual.png")

    def _window(self, name: str) -> None:
        path = self._work / f"{name}.png"
        self._shown.viewer.screenshot(str(path), canvas_only=False, flash=False)
        save(Image.open(path).convert("RGB"), self._out / f"{name}.png")


def main() -> None:
    """Write the pictures into the folder of the first argument."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default=MODEL)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    phantom = Phantom(SEED, SIDE_PX, SIDE_PX)
    with tempfile.TemporaryDirectory() as folder:
        shown = open_window([phantom.he()], arguments.model)
        Pictures(shown, Path(folder), arguments.out).take()
        print("The pictures are taken.", file=sys.stderr)
        shown.viewer.close()


if __name__ == "__main__":
    main()
