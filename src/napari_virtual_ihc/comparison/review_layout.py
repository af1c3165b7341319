"""How a review was looked at: its canvases, what each shows, and how layers are displayed.

Layers are known by what they show, never by a name that a window happened to give them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

KINDS = ("slide", "registered", "virtual", "map")
WAYS = ("curtain", "checkers", "blink", "opacity")
MOST_CANVASES = 4


@dataclass(frozen=True)
class LayerName:
    """What a layer shows, the same in every window.

    Attributes
    ----------
    kind
        One of `KINDS`: a slide as it was scanned, a slide laid onto the H&E, a virtual stain of a
        slide, or a map over it.
    slide
        Fingerprint of that slide.
    name
        The model of a virtual stain, or the map; empty for slides.
    between
        What a map compares with the real IHC; empty where it compares nothing.
    """

    kind: str
    slide: str
    name: str = ""
    between: str = ""

    def __post_init__(self) -> None:
        """Refuse a kind that is not known."""
        _require(self.kind in KINDS, f"no layer is a {self.kind!r}")

    def __str__(self) -> str:
        """Return how the layer is called in a sentence."""
        return {
            "slide": f"the slide with fingerprint {self.slide[:8]}…",
            "registered": "the slide laid onto the H&E",
            "virtual": f"the virtual stain of model {self.name}",
            "map": f"the map {self.name}",
        }[self.kind]


@dataclass(frozen=True)
class Canvas:
    """One canvas.

    Attributes
    ----------
    layer
        What it shows alone; None for all layers as they are listed.
    shift_um
        By how much (y, x) it looks elsewhere than the window's own canvas.
    linked
        Whether it moves with the others.
    """

    layer: LayerName | None
    shift_um: tuple[float, float] = (0.0, 0.0)
    linked: bool = True


@dataclass(frozen=True)
class Mix:
    """Two layers in one canvas: in which of the `WAYS`, and how much (0 to 1) of the second."""

    way: str
    share: float
    first: LayerName
    second: LayerName

    def __post_init__(self) -> None:
        """Refuse a way that is not known, and a share that is none."""
        _require(self.way in WAYS, f"no two layers are mixed by {self.way!r}")
        _require(0 <= self.share <= 1, f"a share is 0 to 1, not {self.share!r}")


@dataclass(frozen=True)
class Display:
    """How a layer is displayed, in napari's words; opacity 0 to 1, gamma above 0."""

    layer: LayerName
    visible: bool
    opacity: float
    gamma: float
    contrast_limits: tuple[float, float]
    blending: str
    interpolation2d: str

    def __post_init__(self) -> None:
        """Refuse values that no layer can have."""
        low, high = self.contrast_limits
        _require(0 <= self.opacity <= 1, f"an opacity is 0 to 1, not {self.opacity!r}")
        _require(0 < self.gamma < math.inf, f"a gamma is above 0, not {self.gamma!r}")
        _require(-math.inf < low < high < math.inf, f"no contrast has limits {low!r}, {high!r}")


@dataclass(frozen=True)
class ReviewLayout:
    """All canvases of a window and the layers in them.

    Attributes
    ----------
    canvases
        The window's own first, 1 to `MOST_CANVASES`.
    grid
        Whether three or four stand in two rows.
    displays
        Of every layer there was.
    mix
        Two layers in the window's own canvas; None where none are mixed.
    """

    canvases: tuple[Canvas, ...] = (Canvas(None),)
    grid: bool = True
    displays: tuple[Display, ...] = ()
    mix: Mix | None = None

    def __post_init__(self) -> None:
        """Refuse a window without canvases, and one with too many."""
        _require(0 < len(self.canvases) <= MOST_CANVASES, f"{len(self.canvases)} canvases")

    def layers(self) -> set[LayerName]:
        """Return every layer that is spoken of."""
        canvases = {canvas.layer for canvas in self.canvases if canvas.layer is not None}
        mixed = set() if self.mix is None else {self.mix.first, self.mix.second}
        return canvases | mixed | {display.layer for display in self.displays}


def to_facts(layout: ReviewLayout) -> dict[str, Any]:
    """Return a layout as JSON values."""
    return asdict(layout)


def from_facts(facts: dict[str, Any]) -> ReviewLayout:
    """Return what :func:`to_facts` gave.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        Where something is missing or wrong.
    """
    mix = facts["mix"]
    return ReviewLayout(
        tuple(_canvas(one) for one in facts["canvases"]),
        bool(facts["grid"]),
        tuple(_display(one) for one in facts["displays"]),
        None if mix is None else Mix(**{**mix, **_layers(mix, "first", "second")}),
    )


def _canvas(facts: dict[str, Any]) -> Canvas:
    layer = None if facts["layer"] is None else LayerName(**facts["layer"])
    return Canvas(layer, _two(facts["shift_um"]), bool(facts["linked"]))


def _display(facts: dict[str, Any]) -> Display:
    limits = _two(facts["contrast_limits"])
    return Display(**{**facts, **_layers(facts, "layer"), "contrast_limits": limits})


def _layers(facts: dict[str, Any], *names: str) -> dict[str, LayerName]:
    return {name: LayerName(**facts[name]) for name in names}


def _two(values: list[Any]) -> tuple[float, float]:
    first, second = (float(value) for value in values)
    _require(math.isfinite(first) and math.isfinite(second), f"{values!r} are no two numbers")
    return first, second


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
