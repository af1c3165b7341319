"""Cutting a layer on the graphics card: one side of a curtain, or every other square."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from vispy.visuals.filters import Filter

from napari_virtual_ihc.widgets.overlays import BANNER_RGBA
from napari_virtual_ihc.widgets.window import canvas_of, node_of

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.qt import QtViewer
    from vispy.scene import Node

_FRAME_PX = 3
_SHADER = """
void keep_one_side() {
    float side;
    if ($square > 0.0) {
        vec2 place = floor(gl_FragCoord.xy / $square);
        side = mod(place.x + place.y, 2.0);
    } else {
        side = step($line, gl_FragCoord.x);
    }
    if (abs(side - $keep) > 0.5) { discard; }
    vec2 from = mod(gl_FragCoord.xy, max($square, 1.0));
    vec2 near = min(from, $square - from);
    if ($square > 0.0 && min(near.x, near.y) < $frame && gl_FragColor.a > 0.0) {
        gl_FragColor = vec4($colour, 1.0);
    }
}
"""


class Mask(Filter):
    """Draws one side of a layer only; costs nothing per frame, and no tile is touched.

    Parameters
    ----------
    node
        What napari draws the layer with.
    keep
        0 for what is left of the line and for even squares, 1 for the other side.
    frame_px
        Width of a frame inside its squares, px of the frame buffer; 0 for none.
    """

    def __init__(self, node: Node, keep: int, frame_px: float = 0.0) -> None:
        super().__init__(fcode=_SHADER, fhook="post", fpos=9)
        self.fshader["keep"] = float(keep)
        self.fshader["frame"] = float(frame_px)
        self.fshader["colour"] = BANNER_RGBA[:3]
        self._node = node
        self.cut(0.0)
        node.attach(self)

    def cut(self, line: float, square: float = 0.0) -> None:
        """Put the line at ``line`` px from the left; where ``square`` (px) is not 0, cut squares.

        Pixels are those of the frame buffer, squares start at its lower left corner.
        """
        self.fshader["line"] = float(line)
        self.fshader["square"] = float(square)
        self._node.update()

    def remove(self) -> None:
        """Draw the whole layer again."""
        self._node.detach(self)
        self._node.update()


class Cut:
    """The masks of the layers of one window that are cut now."""

    def __init__(self, window: QtViewer) -> None:
        self._window = weakref.ref(window)
        self._masks: list[Mask] = []

    def begin(self, first: Image | None, second: Image | None, framed: int) -> None:
        """Give each of two layers its side; what is None is not cut, one has framed squares."""
        self.end()
        window = self._window()
        for side, layer in enumerate((first, second)):
            if layer is not None and window is not None:
                ratio = canvas_of(window).devicePixelRatioF()
                frame = _FRAME_PX * ratio if side == framed else 0.0
                self._masks.append(Mask(node_of(window, layer), side, frame))

    def place(self, share: float, square: float) -> None:
        """Put the line at ``share`` of the width; squares are in widget pixels."""
        window = self._window()
        if window is not None and self._masks:
            canvas = canvas_of(window)
            ratio = canvas.devicePixelRatioF()
            for mask in self._masks:
                mask.cut(share * canvas.width() * ratio, square * ratio)

    def end(self) -> None:
        """Draw the layers whole again."""
        for mask in self._masks:
            mask.remove()
        self._masks = []
