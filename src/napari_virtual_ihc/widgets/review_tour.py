"""The demo's review: a real IHC laid onto the H&E, seen against the virtual one, and measured."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.comparability import COMPARABILITY
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.album import Album, require
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.layers import WARPED, heat_of, virtual_of
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image, Layer

    from napari_virtual_ihc.widgets.show import Shown


class ReviewTour:
    """Walks through a review as a pathologist would, and writes pictures of it.

    Parameters
    ----------
    shown
        The window: H&E, a real IHC of the next section, and a model that translates.
    out
        Folder of the pictures and of the report.
    say
        Told what is going on, in short sentences.
    """

    def __init__(self, shown: Shown, out: Path, say: Callable[[str], None]) -> None:
        self._shown, self._say = shown, say
        self._album = Album(shown, out)
        self._session = shown.session
        self._align, self._compare = shown.page(AlignController), shown.page(CompareController)

    def run(self) -> list[Path]:
        """Register, look in every way, measure, report; return the pictures.

        Raises
        ------
        VirtualIhcError
            If the slides cannot be registered or compared.
        """
        self._register()
        self._side_by_side()
        self._curtain()
        self._comparability()
        self._numbers()
        self._all_at_once()
        return self._album.pictures

    def _register(self) -> None:
        self._say("Laying the real IHC onto the H&E …")
        state = self._align.state
        self._shown.dock.show_page(self._align.title)
        self._align.register()
        self._album.wait(lambda: state.registered or bool(state.error))
        require(state.error)
        self._album.window("review-1-registered")

    def _side_by_side(self) -> None:
        self._say("Virtual and real side by side …")
        panes = self._session.panes
        panes.arrange(2)
        panes.show_own(self._layer(_is_virtual))
        panes.show(panes.all()[0], self._layer(_is_real))
        self._album.window("review-2-side-by-side")
        panes.arrange(1)

    def _curtain(self) -> None:
        mixing = self._session.mixing
        mixing.set_pair(self._layer(_is_virtual), self._layer(_is_real))
        mixing.start(Way.CURTAIN)
        self._album.window("review-3-curtain")
        mixing.stop()

    def _comparability(self) -> None:
        self._say("Where the two can be compared …")
        self._shown.dock.show_page(self._compare.title)
        self._compare.map.choose(COMPARABILITY.name)
        self._album.wait(lambda: self._find(_is_map) is not None)
        self._album.window("review-4-comparability")

    def _numbers(self) -> None:
        self._say("Measuring the region in view …")
        state = self._compare.state
        self._compare.numbers.measure()
        self._album.wait(lambda: state.answer is not None or bool(state.error))
        require(state.error)
        self._album.window("review-5-numbers")
        report = self._album.out / "report"
        if (report / "comparison.json").exists():
            shutil.rmtree(report)
        self._compare.save(report)
        self._album.wait(lambda: not state.activity)
        require(state.error)

    def _all_at_once(self) -> None:
        """Leave everything in sight: H&E, virtual, real, and where they can be compared."""
        panes, entry = self._session.panes, self._session.chosen
        panes.arrange(4)
        panes.show_own(None if entry is None else entry.layer())
        for pane, wanted in zip(panes.all(), (_is_virtual, _is_real, _is_map), strict=True):
            panes.show(pane, self._layer(wanted))
        self._album.window("review-6-all")

    def _find(self, wanted: Callable[[Layer], bool]) -> Image | None:
        layers = reversed(self._shown.viewer.layers)
        return next((layer for layer in layers if wanted(layer)), None)

    def _layer(self, wanted: Callable[[Layer], bool]) -> Image:
        found = self._find(wanted)
        if found is None:
            raise VirtualIhcError("A layer of the review is missing.")
        return found


def _is_virtual(layer: Layer) -> bool:
    return virtual_of(layer) is not None


def _is_map(layer: Layer) -> bool:
    return heat_of(layer) is not None


def _is_real(layer: Layer) -> bool:
    return WARPED in layer.metadata
