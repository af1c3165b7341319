"""The demo's tour: H&E and virtual stain at 20×, another model, and the whole slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import uniform_filter

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.models.library import BUNDLED
from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import HED
from napari_virtual_ihc.widgets.album import Album
from napari_virtual_ihc.widgets.camera import Box, look_at, visible_box
from napari_virtual_ihc.widgets.picture import grab_open_box
from napari_virtual_ihc.widgets.virtual import hide_virtual, show_again

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.widgets.show import Shown
    from napari_virtual_ihc.widgets.slide_facts import SlideFacts

_HEMATOXYLIN = 0


class Tour:
    """Looks at what there is to see of one window, and writes pictures of it.

    Parameters
    ----------
    shown
        The window, with a slide and a model.
    out
        Folder of the pictures.
    say
        Told what is going on, in short sentences.
    """

    def __init__(self, shown: Shown, out: Path, say: Callable[[str], None]) -> None:
        self._shown, self._say = shown, say
        self._album = Album(shown, out)

    def run(self) -> list[Path]:
        """Take the whole tour and return the pictures.

        Raises
        ------
        VirtualIhcError
            If the slide cannot be shown or translated.
        """
        self._say("Opening the slide and preparing the model …")
        self.look_closely()
        self._pair("20x")
        self._album.window("window-20x")
        self._other_model()
        self._say("Filling the slide …")
        self._shown.translate.translation.set_fill(True)
        self._album.settle(filled=True)
        self._shown.viewer.reset_view()
        self._pair("overview")
        self._album.window("window-overview")
        return self._album.pictures

    def look_closely(self) -> None:
        """Look at the busiest place at 20×, and wait until it is translated."""
        self._album.settle()
        self._go_to_the_busiest_place()
        self._say("Translating what is on screen at 20× …")
        self._album.settle()

    def _go_to_the_busiest_place(self) -> None:
        entry = self._shown.session.chosen
        if entry is None or entry.facts is None:
            raise VirtualIhcError("No slide is open.")
        view = visible_box(self._shown.viewer)
        half = (view.bottom - view.top) / 2, (view.right - view.left) / 2
        y, x = busiest_place(entry.facts, Box(0, 0, *half))
        look_at(self._shown.viewer, y, x, 20)

    def _pair(self, name: str) -> None:
        self._album.settle()
        hidden = hide_virtual(self._shown.viewer)
        self._album.canvas(f"he-{name}")
        show_again(hidden)
        self._album.canvas(f"virtual-{name}")

    def _other_model(self) -> None:
        """Show the models to choose from, and the same tissue by the next bundled one."""
        page = self._shown.translate
        former = page.state.model
        other = next((name for name in BUNDLED if name != former), None)
        if other is None:
            return
        self._say(f"Translating the same with {other} …")
        path = self._album.out / "window-models.png"
        grab_open_box(self._shown.viewer.window, page.view.models, path)
        self._album.pictures.append(path)
        page.translation.set_model(other)
        self._album.canvas(f"virtual-20x-{other}")
        page.translation.set_model(former)
        self._album.settle()


def busiest_place(facts: SlideFacts, margin: Box) -> tuple[float, float]:
    """Return the place (y, x in µm) with most hematoxylin around it, away from the slide's edges.

    Parameters
    ----------
    margin
        Its bottom and right say how far from the edges to stay, µm, where the slide is that large.
    """
    density = unmix(np.ascontiguousarray(facts.overview[..., :3]), HED)[..., _HEMATOXYLIN]
    side = max(int(200 / facts.pixel), 3)
    smooth = uniform_filter(np.clip(density, 0, 1), side, mode="constant")
    rows = min(int(margin.bottom / facts.pixel / 4), (smooth.shape[0] - 1) // 2)
    cols = min(int(margin.right / facts.pixel / 4), (smooth.shape[1] - 1) // 2)
    inner = smooth[rows : smooth.shape[0] - rows, cols : smooth.shape[1] - cols]
    row, col = np.unravel_index(int(inner.argmax()), inner.shape)
    return (row + rows + 0.5) * facts.pixel, (col + cols + 0.5) * facts.pixel
