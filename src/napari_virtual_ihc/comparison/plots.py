"""Scatter, Bland–Altman and agreement against square size, as SVG that needs nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.comparison.agreement import Paired

_WIDTH, _HEIGHT, _LEFT, _BELOW, _TOP = 320, 270, 52, 44, 26
_COLOURS = {"pearson": "#0072B2", "spearman": "#56B4E9", "icc": "#D55E00"}
_TICKS = 4


@dataclass(frozen=True)
class Axes:
    """Limits of a plot, from data to points of the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the drawing."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        wide, high = _WIDTH - _LEFT - 12, _HEIGHT - _BELOW - _TOP
        return round(_LEFT + across * wide, 1), round(_HEIGHT - _BELOW - up * high, 1)


def scatter(found: Paired) -> str:
    """Return virtual over real, one dot per square, with the line of equality."""
    both = np.concatenate([found.virtual, found.real])
    limits = _limits(both)
    axes = Axes(limits, limits)
    line = _line(axes, (limits[0], limits[0]), (limits[1], limits[1]), "#888", "4 3")
    title = f"{found.measure.title}, {found.square_um:g} µm squares, n = {len(found.real)}"
    unit = found.measure.unit
    return _drawing(
        axes, title, f"real ({unit})", f"virtual ({unit})",
        [line, *_dots(axes, found.real, found.virtual)],
    )  # fmt: skip


def bland_altman(found: Paired) -> str:
    """Return virtual − real over their mean, with bias and limits of agreement."""
    mean, difference = (found.virtual + found.real) / 2, found.virtual - found.real
    levels = [found.statistics[name].value for name in ("lower", "bias", "upper")]
    known = np.array([level for level in levels if math.isfinite(level)])
    axes = Axes(_limits(mean), _limits(np.concatenate([difference, known])))
    lines = [
        _line(axes, (axes.x[0], level), (axes.x[1], level), "#D55E00", dash)
        for level, dash in zip(levels, ("4 3", "", "4 3"), strict=True)
        if math.isfinite(level)
    ]
    unit = found.measure.unit
    return _drawing(
        axes, "Bland–Altman: bias and 95 % limits", f"mean of both ({unit})",
        f"virtual − real ({unit})", [*lines, *_dots(axes, mean, difference)],
    )  # fmt: skip


def against_size(found: Sequence[Paired]) -> str:
    """Return Pearson, Spearman and ICC(2,1) with intervals over the logarithm of the side."""
    sides = [math.log10(one.square_um) for one in found]
    axes = Axes((min(sides) - 0.1, max(sides) + 0.1), (-0.2, 1.0))
    marks: list[str] = []
    for index, (name, colour) in enumerate(_COLOURS.items()):
        marks += _series(axes, found, name, colour, (index - 1) * 0.015)
        marks.append(
            f'<text x="{_LEFT + 8 + 70 * index}" y="{_HEIGHT - _BELOW - 6}" fill="{colour}">'
            f"{name}</text>"
        )
    ticks = [(math.log10(one.square_um), f"{one.square_um:g}") for one in found]
    title = f"{found[0].measure.title}: agreement and size of square"
    return _drawing(axes, title, "side of a square (µm)", "", marks, ticks)


def _series(axes: Axes, found: Sequence[Paired], name: str, colour: str, aside: float) -> list[str]:
    marks, last = [], None
    for one in found:
        estimate, x = one.statistics[name], math.log10(one.square_um) + aside
        if not math.isfinite(estimate.value):
            continue
        if math.isfinite(estimate.low):
            ends = (max(bound, axes.y[0]) for bound in (estimate.low, estimate.high))
            low, high = ends
            marks.append(_line(axes, (x, low), (x, high), colour, ""))
        here = (x, max(estimate.value, axes.y[0]))
        if last is not None:
            marks.append(_line(axes, last, here, colour, ""))
        px, py = axes.at(*here)
        marks.append(f'<circle cx="{px}" cy="{py}" r="3" fill="{colour}"/>')
        last = here
    return marks


def _limits(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray) -> list[str]:
    places = (axes.at(float(a), float(b)) for a, b in zip(x, y, strict=True))
    return [
        f'<circle cx="{a}" cy="{b}" r="2" fill="#0072B2" fill-opacity=".5"/>' for a, b in places
    ]


def _line(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, dash: str
) -> str:
    (x1, y1), (x2, y2) = axes.at(*start), axes.at(*end)
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" '
        f'stroke-dasharray="{dash}"/>'
    )


def _drawing(
    axes: Axes, title: str, below: str, beside: str, marks: Sequence[str],
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> str:  # fmt: skip
    left, bottom = axes.at(axes.x[0], axes.y[0])
    right, top = axes.at(axes.x[1], axes.y[1])
    frame = (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
        'fill="none" stroke="#444"/>'
    )
    middle = (top + bottom) / 2
    words = [
        f'<text x="{_LEFT}" y="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(left + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(below)}</text>",
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(beside)}</text>",
    ]
    for x, text in x_ticks if x_ticks is not None else _ticks(axes.x):
        words.append(
            f'<text x="{axes.at(x, axes.y[0])[0]}" y="{bottom + 14}" text-anchor="middle">'
            f"{text}</text>"
        )
    for y, text in _ticks(axes.y):
        words.append(
            f'<text x="{left - 4}" y="{axes.at(axes.x[0], y)[1] + 3}" text-anchor="end">'
            f"{text}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="10">'
        f"{frame}{''.join(marks)}{''.join(words)}</svg>"
    )


def _ticks(limits: tuple[float, float]) -> list[tuple[float, str]]:
    low, high = limits
    raw = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(index * step, f"{index * step:.4g}") for index in range(first, last + 1)]
