"""The demo's review: a real IHC laid onto the H&E, seen against the virtual one, and measured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication

from napari_virtual_ihc.comparison.comparability import COMPARABILITY
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.layers import WARPED, heat_of, virtual_of
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image, Layer

    from napari_virtual_ihc.widgets.show import Shown

_PATIENCE = 3600.0
_STEP = 0.02


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
        self._shown, self._out, self._say = shown, out, say
        self._viewer, self._session = shown.viewer, shown.session
        self._align, self._compare = shown.page(AlignController), shown.page(CompareController)
        self.pictures: list[Path] = []

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
        return self.pictures

    def _register(self) -> None:
        self._say("Laying the real IHC onto the H&E …")
        state = self._align.state
        self._shown.dock.show_page(self._align.title)
        self._align.register()
        self._wait(lambda: state.registered or bool(state.error))
        self._require(state.error)
        self._settle()
        self._window("review-1-registered")

    def _side_by_side(self) -> None:
        self._say("Virtual and real side by side …")
        panes = self._session.panes
        panes.arrange(2)
        panes.show_own(self._layer(lambda layer: virtual_of(layer) is not None))
        panes.show(panes.all()[0], self._layer(_is_real))
        self._settle()
        self._window("review-2-side-by-side")
        panes.arrange(1)

    def _curtain(self) -> None:
        mixing = self._session.mixing
        mixing.set_pair(
            self._layer(lambda layer: virtual_of(layer) is not None), self._layer(_is_real)
        )
        mixing.start(Way.CURTAIN)
        self._settle()
        self._window("review-3-curtain")
        mixing.stop()

    def _comparability(self) -> None:
        self._say("Where the two can be compared …")
        self._shown.dock.show_page(self._compare.title)
        self._compare.map.choose(COMPARABILITY.name)
        self._wait(lambda: self._find(lambda layer: heat_of(layer) is not None) is not None)
        self._settle()
        self._window("review-4-comparability")

    def _numbers(self) -> None:
        self._say("Measuring the region in view …")
        state = self._compare.state
        self._compare.numbers.measure()
        self._wait(lambda: state.answer is not None or bool(state.error))
        self._require(state.error)
        self._settle()
        self._window("review-5-numbers")
        self._compare.save(self._out / "report")
        self._wait(lambda: not state.activity)
        self._require(state.error)

    def _all_at_once(self) -> None:
        """Leave everything in sight: H&E, virtual, real, and where they can be compared."""
        panes = self._session.panes
        panes.arrange(4)
        entry = self._session.chosen
        layers = (
            None if entry is None else entry.layer(),
            self._layer(lambda layer: virtual_of(layer) is not None),
            self._layer(_is_real),
            self._layer(lambda layer: heat_of(layer) is not None),
        )
        panes.show_own(layers[0])
        for pane, layer in zip(panes.all(), layers[1:], strict=True):
            if layer is not None:
                panes.show(pane, layer)
        self._settle()
        self._window("review-6-all")

    def _find(self, wanted: Callable[[Layer], bool]) -> Image | None:
        return next((layer for layer in reversed(self._viewer.layers) if wanted(layer)), None)

    def _layer(self, wanted: Callable[[Layer], bool]) -> Image:
        found = self._find(wanted)
        if found is None:
            raise VirtualIhcError("A layer of the review is missing.")
        return found

    def _settle(self) -> None:
        if not wait_until_settled(self._session, _PATIENCE):
            raise VirtualIhcError("The view was not complete after an hour.")

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(_STEP)
            if time.monotonic() > end:
                raise VirtualIhcError("The review was not complete after an hour.")

    def _require(self, error: str) -> None:
        if error:
            raise VirtualIhcError(error)

    def _window(self, name: str) -> None:
        path = self._out / f"{name}.png"
        self._viewer.screenshot(str(path), canvas_only=False, flash=False)
        self.pictures.append(path)


def _is_real(layer: Layer) -> bool:
    return WARPED in layer.metadata
