"""Scatter, Bland–Altman and agreement against square size, as drawings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.cautions import LEAST_SQUARES
from napari_virtual_ihc.comparison.drawing import Dot, Drawing, Line, Mark, Words, frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired

    Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_WIDTH, _HEIGHT, _LEFT, _BELOW, _TOP, _RIGHT = 320.0, 250.0, 54.0, 42.0, 24.0, 12.0
_COLOURS = {"pearson": "#3B8FC7", "spearman": "#009E73", "icc": "#D55E00"}
_NAMES = {"pearson": "Pearson", "spearman": "Spearman", "icc": "ICC(2,1)"}
_DOTS, _LEVELS, _QUIET = "#3B8FC7", "#D55E00", "#888888"
_TICKS, _PLOTTED_UM, _KEYS = 4, 100.0, 14.0
_SMALL, _SIZE = 10.0, 11.0


@dataclass(frozen=True)
class Axes:
    """Limits of a plot, from data to points of the drawing, and where it begins."""

    x: tuple[float, float]
    y: tuple[float, float]
    top: float = _TOP

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the drawing."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BELOW - self.top
        return _LEFT + across * wide, _HEIGHT - _BELOW - up * high

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: str, *,
        dashed: bool = False,
    ) -> Line:  # fmt: skip
        """Return a line between two points of data."""
        return Line(*self.at(*start), *self.at(*end), colour, dashed)


def to_plot(found: Sequence[Paired]) -> Paired | None:
    """Return the squares to plot: of those there are ten of, or else any, nearest to 100 µm."""
    some = [one for one in found if len(one.real)]
    enough = [one for one in some if len(one.real) >= LEAST_SQUARES]
    return min(enough or some, key=lambda one: abs(one.square_um - _PLOTTED_UM), default=None)


def scatter(found: Paired) -> Drawing:
    """Return virtual over real, one dot per square, with the line of equality."""
    limits = _limits(np.concatenate([found.virtual, found.real]))
    axes = Axes(limits, limits)
    equal = axes.line((limits[0], limits[0]), (limits[1], limits[1]), _QUIET, dashed=True)
    title = f"{found.measure.title}, {found.square_um:g} µm squares, n = {len(found.real)}"
    unit = found.measure.unit
    marks: list[Mark] = [equal, *_dots(axes, found.real, found.virtual)]
    return _drawing(axes, title, f"real ({unit})", f"virtual ({unit})", marks)


def bland_altman(found: Paired) -> Drawing:
    """Return virtual − real over their mean, with bias and limits of agreement."""
    mean, difference = (found.virtual + found.real) / 2, found.virtual - found.real
    levels = [found.statistics[name].value for name in ("lower", "bias", "upper")]
    known = [level for level in levels if math.isfinite(level)]
    axes = Axes(_limits(mean), _limits(np.concatenate([difference, known])))
    lines = [
        axes.line((axes.x[0], level), (axes.x[1], level), _LEVELS, dashed=dashed)
        for level, dashed in zip(levels, (True, False, True), strict=True)
        if math.isfinite(level)
    ]
    unit = found.measure.unit
    marks: list[Mark] = [*lines, *_dots(axes, mean, difference)]
    beside = f"virtual − real ({unit})"
    return _drawing(
        axes, "Bland–Altman: bias and 95 % limits", f"mean of both ({unit})", beside, marks
    )


def against_size(found: Sequence[Paired]) -> Drawing:
    """Return Pearson, Spearman and ICC(2,1) with intervals over the logarithm of the side.

    Sizes of which there are fewer than ten squares are left out.
    """
    sides = [math.log10(one.square_um) for one in found]
    axes = Axes((min(sides) - 0.1, max(sides) + 0.1), (-0.2, 1.0), _TOP + _KEYS)
    marks: list[Mark] = []
    for index, (name, colour) in enumerate(_COLOURS.items()):
        marks += _series(axes, found, name, colour, (index - 1) * 0.015)
        place = _LEFT + 8 + 74 * index, _TOP + _KEYS - 6
        marks.append(Words(*place, _NAMES[name], _SMALL, colour=colour))
    ticks = [(math.log10(one.square_um), f"{one.square_um:g}") for one in found]
    title = f"{found[0].measure.title}: agreement and size of square"
    return _drawing(axes, title, "side of a square (µm)", "", marks, ticks)


def _series(
    axes: Axes, found: Sequence[Paired], name: str, colour: str, aside: float
) -> Iterator[Mark]:
    last = None
    for one in found:
        estimate, x = one.statistics[name], math.log10(one.square_um) + aside
        if len(one.real) < LEAST_SQUARES or not math.isfinite(estimate.value):
            continue
        if math.isfinite(estimate.low):
            low, high = (max(bound, axes.y[0]) for bound in (estimate.low, estimate.high))
            yield axes.line((x, low), (x, high), colour)
        here = (x, max(estimate.value, axes.y[0]))
        if last is not None:
            yield axes.line(last, here, colour)
        yield Dot(*axes.at(*here), 3, colour)
        last = here


def _limits(values: Values) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _dots(axes: Axes, x: Values, y: Values) -> Iterator[Dot]:
    for item, (a, b) in enumerate(zip(x, y, strict=True)):
        yield Dot(*axes.at(float(a), float(b)), 2.2, _DOTS, 0.6, item)


def _drawing(
    axes: Axes, title: str, below: str, beside: str, marks: Sequence[Mark],
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Drawing:  # fmt: skip
    left, bottom = axes.at(axes.x[0], axes.y[0])
    right, top = axes.at(axes.x[1], axes.y[1])
    words = [
        Words(8, 14, title, _SIZE, bold=True),
        Words((left + right) / 2, _HEIGHT - 8, below, _SIZE, "middle"),
        Words(12, (top + bottom) / 2, beside, _SIZE, "middle", turned=True),
    ]
    for x, text in x_ticks if x_ticks is not None else _ticks(axes.x):
        words.append(Words(axes.at(x, axes.y[0])[0], bottom + 14, text, _SMALL, "middle"))
    for y, text in _ticks(axes.y):
        words.append(Words(left - 4, axes.at(axes.x[0], y)[1] + 3, text, _SMALL, "end"))
    around = frame(left, top, right - left, bottom - top)
    return Drawing(_WIDTH, _HEIGHT, (*around, *marks, *words))


def _ticks(limits: tuple[float, float]) -> list[tuple[float, str]]:
    low, high = limits
    raw = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(index * step, f"{index * step:.4g}") for index in range(first, last + 1)]
