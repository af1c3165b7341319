"""The report as one page: plots, pictures, numbers and provenance; research use only."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.drawing import Area, Drawing, Line, Picture, Words
from napari_virtual_ihc.comparison.pdf import text_width, wrapped
from napari_virtual_ihc.comparison.plots import against_size, bland_altman, scatter, to_plot
from napari_virtual_ihc.comparison.tally import MEASURES
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.drawing import Mark
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.measures.bootstrap import Estimate

_WIDTH, _HEIGHT, _EDGE = 595.0, 842.0, 34.0
_INNER = _WIDTH - 2 * _EDGE
_VIRTUAL, _RULE = "#6E176B", "#BBBBBB"
_STRIP, _GAP, _LEGEND, _MOST_PICTURE = 16.0, 8.0, 10.0, 175.0
_REGION = (0.0, 110.0, 175.0, 230.0, 285.0)
_AGREEMENT = (0.0, 82.0, 106.0, 132.0, 204.0, 276.0, 348.0, 384.0, 440.0, 472.0)
_HEAD = (
    "Per square", "µm", "n", "Pearson r", "Spearman ρ", "ICC(2,1)", "bias", "95 % limits", "Dice",
    "weighted κ",
)  # fmt: skip


def share_words(told: Mapping[str, Any]) -> str:
    """Return how much of the tissue the numbers are of."""
    if not told["tissue_mm2"]:
        return "There is no tissue on both slides here."
    if not told["gated"]:
        return "All tissue of both slides is measured, comparable or not."
    share = told["comparable_share"]
    return f"{100 * share:.3g} % of the tissue was comparable; only that is measured."


def plotted(found: Sequence[Paired]) -> Sequence[Drawing]:
    """Return the plots of the DAB area; none without tissue."""
    areas = [one for one in found if one.measure.name == "dab_area"]
    shown = to_plot(areas)
    if shown is None:
        return ()
    return scatter(shown), bland_altman(shown), against_size(areas)


def page(
    told: Mapping[str, Any], found: Sequence[Paired], picture: RegionPicture | None
) -> Drawing:
    """Return the report on A4, in points.

    Parameters
    ----------
    told, found
        What `report.facts` returned, and the agreement it was made of.
    picture
        Of the region.
    """
    head = _head(told)
    rest = [_plots(plotted(found)), _region(told["region"]), _agreement(found), _small(told)]
    room = _HEIGHT - 2 * _EDGE - _STRIP - sum(part.height + _GAP for part in (head, *rest))
    pictures = [] if picture is None else [_pictures(picture, room - _GAP)]
    marks: list[Mark] = []
    y = _EDGE
    for part in (head, *pictures, *rest):
        marks += part.at(_EDGE, y, 1.0)
        y += part.height + _GAP
    marks += _strip(_HEIGHT - _EDGE - _STRIP)
    return Drawing(_WIDTH, _HEIGHT, tuple(marks))


def _strip(y: float) -> Iterator[Mark]:
    yield Area(_EDGE, y, _INNER, _STRIP, _VIRTUAL)
    words = f"VIRTUAL. {RESEARCH_USE_ONLY}"
    yield Words(_WIDTH / 2, y + 11.5, words, 9, "middle", "#FFFFFF", bold=True)


def _head(told: Mapping[str, Any]) -> Drawing:
    strip = Drawing(_WIDTH, _STRIP, tuple(_strip(0))).at(-_EDGE, 0, 1.0)
    words = (
        Words(0, 36, "Virtual against real IHC", 15, bold=True),
        Words(0, 50, share_words(told), 9),
        Words(0, 61, _where(told["provenance"]), 8),
    )
    return Drawing(_INNER, 62, (*strip, *words))


def _where(about: Mapping[str, Any]) -> str:
    box = about.get("region_um")
    if box is None:
        return "Region: the whole slide."
    y, x, h, w = (f"{side:.0f}" for side in box)
    return f"Region: {h} × {w} µm at y {y} µm, x {x} µm."


def _pictures(picture: RegionPicture, room: float) -> Drawing:
    """Return the panels, no higher than ``room``, and the legend of the last."""
    gap, count = 8.0, len(picture.panels)
    width = (_INNER - (count - 1) * gap) / count
    shape = max(len(panel) / panel.shape[1] for panel in picture.panels)
    width = min(width, (min(room, _MOST_PICTURE) - _LEGEND) / shape)
    marks: list[Mark] = []
    for index, panel in enumerate(picture.panels):
        height = width * len(panel) / panel.shape[1]
        marks.append(Picture(index * (width + gap), 0, width, height, panel))
    height, x = width * shape + _LEGEND, 0.0
    for words, colour in picture.legend():
        red, green, blue = colour
        marks.append(Area(x, height - 6, 6, 6, f"#{red:02X}{green:02X}{blue:02X}"))
        marks.append(Words(x + 9, height, words, 7))
        x += 20 + text_width(words, 7)
    if picture.words:
        marks.append(Words(_INNER, height, picture.words, 7, "end"))
    return Drawing(_INNER, height, tuple(marks))


def _plots(drawings: Sequence[Drawing]) -> Drawing:
    if not drawings:
        return Drawing(_INNER, 12, (Words(0, 10, "No tissue to measure.", 9),))
    scale = _INNER / sum(one.width for one in drawings)
    marks: list[Mark] = []
    x = 0.0
    for one in drawings:
        marks += one.at(x, 0, scale)
        x += scale * one.width
    return Drawing(_INNER, scale * drawings[0].height, tuple(marks))


def _region(region: Mapping[str, Mapping[str, float | None]]) -> Drawing:
    rows = [("The region", "unit", "virtual", "real", "formula")]
    for one in MEASURES:
        virtual, real = region[one.name]["virtual"], region[one.name]["real"]
        if virtual is not None or real is not None:
            rows.append((one.title, one.unit, _number(virtual), _number(real), one.formula))
    return _table(rows, _REGION, 7.5)


def _agreement(found: Sequence[Paired]) -> Drawing:
    rows: list[Sequence[str]] = [_HEAD]
    for one in found:
        s = one.statistics
        limits = f"{_number(s['lower'].value)} to {_number(s['upper'].value)}"
        rows.append(
            (
                one.measure.title, f"{one.square_um:g}", str(len(one.real)),
                *(_interval(s[name]) for name in ("pearson", "spearman", "icc")),
                _number(s["bias"].value), limits,
                *(_number(s[name].value) if name in s else "–" for name in ("dice", "kappa")),
            )
        )  # fmt: skip
    return _table(rows, _AGREEMENT, 6.5 if len(rows) < 26 else 5.8)


def _table(rows: Sequence[Sequence[str]], columns: Sequence[float], size: float) -> Drawing:
    step = size * 1.32
    marks: list[Mark] = []
    for index, row in enumerate(rows):
        y = (index + 1) * step
        marks += [
            Words(x, y, text, size, bold=index == 0)
            for x, text in zip(columns, row, strict=True)
        ]  # fmt: skip
    marks.append(Line(0, step + 2, _INNER, step + 2, _RULE, width=0.5))
    return Drawing(_INNER, len(rows) * step + 2, tuple(marks))


def _small(told: Mapping[str, Any]) -> Drawing:
    about = json.dumps(told["provenance"], ensure_ascii=False, separators=(", ", ": "))
    intervals = "Intervals: 95 % percentile bootstrap over squares."
    text = f"{told['protocol']}. {intervals} {about} version {told['version']}, {told['schema']}."
    size = 5.5
    lines = wrapped(text, _INNER, size)
    marks = tuple(Words(0, (1 + index) * size * 1.25, one, size) for index, one in enumerate(lines))
    return Drawing(_INNER, len(lines) * size * 1.25, marks)


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.low):
        return _number(estimate.value)
    return f"{_number(estimate.value)} ({_number(estimate.low)} to {_number(estimate.high)})"


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 0.1:
        return f"{value:.1g}".replace("-", "−")
    return (f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}").replace("-", "−")
