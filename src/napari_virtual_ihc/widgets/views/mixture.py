"""Two layers as one picture: how much is seen of each, where, and what says so on the canvas."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.layers import HIDDEN, MIXED, slide_of, virtual_of
from napari_virtual_ihc.widgets.views.curtain import Curtain
from napari_virtual_ihc.widgets.views.mask import Cut
from napari_virtual_ihc.widgets.views.mixing_model import (
    SQUARE_PX,
    Way,
    framed,
    place_words,
    weights,
)
from napari_virtual_ihc.widgets.window import canvas_of

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.qt import QtViewer

    Pair = tuple[Image, Image]

REAL = "REAL"


class Mixture:
    """Gives two layers their opacity or their side of a cut, and takes both back.

    Parameters
    ----------
    window
        The canvas part of a window.
    """

    def __init__(self, window: QtViewer) -> None:
        self.curtain = Curtain(canvas_of(window))
        self._cut = Cut(window)
        self._opacity: weakref.WeakKeyDictionary[Image, float] = weakref.WeakKeyDictionary()

    def opacity(self, layer: Image) -> float:
        """Return the opacity that a layer has of its own, whatever it is given here."""
        return float(self._opacity.get(layer, layer.opacity))

    def begin(self, pair: Pair, way: Way, base: Image | None) -> None:
        """Mix two layers in this way; the H&E, ``base``, is neither cut nor faded."""
        for layer in pair:
            self._opacity.setdefault(layer, layer.opacity)
        if way.cuts:
            first, second = (None if layer is base else layer for layer in pair)
            self._cut.begin(first, second, _framed(pair, base))

    def draw(
        self, pair: Pair, way: Way, share: float, base: Image | None, *, second_on_top: bool
    ) -> None:
        """Show ``share`` of two layers that were begun with; see :func:`weights`."""
        for layer, weight in zip(
            pair, weights(way, share, second_on_top=second_on_top), strict=True
        ):
            wanted = self._opacity[layer] * (weight if layer is not base else 1.0)
            if layer.opacity != wanted:
                layer.opacity = wanted
        self._cut.place(share, SQUARE_PX if way is Way.CHECKERBOARD else 0.0)
        _tell(pair, way, share)
        self._name(pair, way, share, _framed(pair, base))

    def end(self) -> None:
        """Show the layers whole, at their own opacity, without a word."""
        self._cut.end()
        for layer, opacity in list(self._opacity.items()):
            layer.metadata.pop(MIXED, None)
            layer.opacity = opacity
        self._opacity.clear()
        self.curtain.say("")

    def _name(self, pair: Pair, way: Way, share: float, framed: int) -> None:
        first, second = (f"{layer.name}{HIDDEN * (not layer.visible)}" for layer in pair)
        if way is Way.CURTAIN:
            self.curtain.show_at(share, first, second)
        elif way is Way.BLINK:
            self.curtain.say(second if share >= 0.5 else first)
        elif way is Way.CHECKERBOARD:
            marked, plain = (second, first) if framed else (first, second)
            self.curtain.say(f"framed: {marked}\nothers: {plain}")
        else:
            self.curtain.say("")


def _framed(pair: Pair, base: Image | None) -> int:
    first, second = (virtual_of(layer) is not None for layer in pair)
    return framed((first, second), second_is_base=pair[1] is base)


def _tell(pair: Pair, way: Way, share: float) -> None:
    """Have each virtual layer say where it is seen, or what else is virtual beside it."""
    for index, (layer, other) in enumerate(zip(pair, reversed(pair), strict=True)):
        if virtual_of(layer) is not None:
            layer.metadata[MIXED] = _seen(way, share, index, other)


def _seen(way: Way, share: float, index: int, other: Image) -> str:
    info = virtual_of(other)
    if info is None:
        return place_words(way, share, index, "" if slide_of(other) is None else REAL)
    alone = way is Way.BLINK or (way is Way.OPACITY and share in (0, 1))
    return "" if alone else f"beside {info.marker} by {info.model}"
