"""A drawing as a list of marks, which a page, a file or a screen each draw in their own way."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

INK = ""
"""The colour of words and axes: dark on paper, that of the theme on a screen."""
_PAPER_INK = "#222222"


@dataclass(frozen=True)
class Line:
    """A line between two points; dashed where asked."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str = INK
    dashed: bool = False
    width: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A filled circle; ``item`` says which item it stands for, -1 for none."""

    x: float
    y: float
    radius: float
    colour: str
    opacity: float = 1.0
    item: int = -1


@dataclass(frozen=True)
class Words:
    """One line of text; ``anchor`` start, middle or end lies at (x, y) on the base line.

    Turned words run upwards.
    """

    x: float
    y: float
    text: str
    size: float = 10.0
    anchor: str = "start"
    colour: str = INK
    bold: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Area:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, eq=False)
class Picture:
    """An RGB picture (h, w, 3) uint8, stretched over a rectangle."""

    x: float
    y: float
    width: float
    height: float
    rgb: NDArray[np.uint8]


Mark = Line | Dot | Words | Area | Picture


@dataclass(frozen=True)
class Drawing:
    """Marks on a page of ``width`` × ``height`` points; y runs down."""

    width: float
    height: float
    marks: tuple[Mark, ...]

    def at(self, x: float, y: float, scale: float) -> tuple[Mark, ...]:
        """Return its marks as they lie in another drawing."""
        return tuple(_moved(mark, x, y, scale) for mark in self.marks)


def frame(x: float, y: float, width: float, height: float) -> tuple[Line, ...]:
    """Return the four sides of a rectangle."""
    right, bottom = x + width, y + height
    return (
        Line(x, y, right, y), Line(right, y, right, bottom),
        Line(right, bottom, x, bottom), Line(x, bottom, x, y),
    )  # fmt: skip


def svg(drawing: Drawing) -> str:
    """Return a drawing as SVG that needs nothing else."""
    width, height = f"{drawing.width:g}", f"{drawing.height:g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif">'
        f"{''.join(_svg_marks(drawing.marks))}</svg>"
    )


def png(rgb: NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, format="PNG")
    return stream.getvalue()


def data_uri(rgb: NDArray[np.uint8]) -> str:
    """Return a picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(rgb)).decode()


def paper(colour: str) -> str:
    """Return the colour on paper."""
    return colour or _PAPER_INK


def _svg_marks(marks: Iterable[Mark]) -> Iterable[str]:
    for mark in marks:
        match mark:
            case Line():
                yield _svg_line(mark)
            case Dot():
                yield (
                    f'<circle cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius:g}" '
                    f'fill="{mark.colour}" fill-opacity="{mark.opacity:g}"/>'
                )
            case Words():
                yield _svg_words(mark)
            case Area():
                yield (
                    f'<rect x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" '
                    f'height="{mark.height:.1f}" fill="{mark.colour}"/>'
                )
            case Picture():
                yield (
                    f'<image x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" '
                    f'height="{mark.height:.1f}" href="{data_uri(mark.rgb)}"/>'
                )


def _svg_line(mark: Line) -> str:
    dash = ' stroke-dasharray="4 3"' if mark.dashed else ""
    return (
        f'<line x1="{mark.x1:.1f}" y1="{mark.y1:.1f}" x2="{mark.x2:.1f}" y2="{mark.y2:.1f}" '
        f'stroke="{paper(mark.colour)}" stroke-width="{mark.width:g}"{dash}/>'
    )


def _svg_words(mark: Words) -> str:
    place = f'x="{mark.x:.1f}" y="{mark.y:.1f}"'
    if mark.turned:
        place = f'transform="translate({mark.x:.1f} {mark.y:.1f}) rotate(-90)"'
    weight = ' font-weight="bold"' if mark.bold else ""
    return (
        f'<text {place} font-size="{mark.size:g}" fill="{paper(mark.colour)}" '
        f'text-anchor="{mark.anchor}"{weight}>{escape(mark.text)}</text>'
    )


def _moved(mark: Mark, x: float, y: float, scale: float) -> Mark:
    match mark:
        case Line():
            ends = (x + scale * mark.x1, y + scale * mark.y1, x + scale * mark.x2)
            return Line(*ends, y + scale * mark.y2, mark.colour, mark.dashed, scale * mark.width)
        case Dot():
            radius = scale * mark.radius
            return replace(mark, x=x + scale * mark.x, y=y + scale * mark.y, radius=radius)
        case Words():
            size = scale * mark.size
            return replace(mark, x=x + scale * mark.x, y=y + scale * mark.y, size=size)
        case Area() | Picture():
            width, height = scale * mark.width, scale * mark.height
            left, top = x + scale * mark.x, y + scale * mark.y
            return replace(mark, x=left, y=top, width=width, height=height)
