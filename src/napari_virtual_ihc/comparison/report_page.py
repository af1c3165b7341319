"""The report as one page: plots, pictures, numbers and provenance; research use only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.drawing import Area, Drawing, Line, Picture, Words
from napari_virtual_ihc.comparison.pdf import text_width, wrapped
from napari_virtual_ihc.comparison.plots import against_size, bland_altman, scatter, to_plot
from napari_virtual_ihc.comparison.region_picture import legend_of
from napari_virtual_ihc.comparison.report_rows import (
    AGREEMENT_HEAD,
    REGION_HEAD,
    agreement_rows,
    notes,
    origin_rows,
    place_words,
    region_rows,
    share_words,
    warned,
)
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.drawing import Mark
    from napari_virtual_ihc.comparison.region_picture import RegionPicture

_WIDTH, _HEIGHT, _EDGE = 595.0, 842.0, 26.0
_INNER = _WIDTH - 2 * _EDGE
_VIRTUAL, _RULE = "#6E176B", "#BBBBBB"
_CAUTION = "#B00020"
_STRIP, _GAP, _LEGEND, _MOST_PICTURE, _LEAST_PICTURE = 16.0, 7.0, 10.0, 185.0, 60.0
_MOST, _SMALL, _LINE, _BETWEEN, _NAMES, _BOLDER = 6.8, 5.6, 1.3, 6.0, 62.0, 1.06
"""Sizes of type of tables and of small print, its lead, gaps of columns, width of names."""


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
    head, low = _head(told), _paragraphs(notes(told, found), _SMALL)
    rest = [
        _plots(plotted(found)), _table(region_rows(told), REGION_HEAD, _MOST),
        _table(agreement_rows(found), AGREEMENT_HEAD, _MOST), low,
    ]  # fmt: skip
    room = _HEIGHT - 2 * _EDGE - _STRIP - sum(part.height + _GAP for part in (head, *rest))
    pictures = [] if picture is None else [_pictures(picture, told["verdict_shares"], room - _GAP)]
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
    parts = [
        _paragraphs([share_words(told), place_words(told["provenance"])], 8.5),
        _paragraphs(warned(told), 8.5, _CAUTION),
        _origin(origin_rows(told)),
    ]
    marks: list[Mark] = [*strip, Words(0, 36, "Virtual against real IHC", 15, bold=True)]
    y = 41.0
    for part in parts:
        marks += part.at(0, y, 1.0)
        y += part.height + (3 if part.marks else 0)
    return Drawing(_INNER, y, tuple(marks))


def _origin(rows: Sequence[tuple[str, ...]]) -> Drawing:
    marks: list[Mark] = []
    y, step = 0.0, _LINE * _MOST
    for name, text in rows:
        marks.append(Words(0, y + step, name, _MOST, bold=True))
        for line in wrapped(text, _INNER - _NAMES, _MOST):
            y += step
            marks.append(Words(_NAMES, y, line, _MOST))
    return Drawing(_INNER, y, tuple(marks))


def _paragraphs(texts: Sequence[str], size: float, colour: str = "") -> Drawing:
    lines = [line for text in texts for line in wrapped(text, _INNER, size * _BOLDER)]
    step = _LINE * size
    marks = tuple(
        Words(0, (1 + index) * step, line, size, colour=colour, bold=bool(colour))
        for index, line in enumerate(lines)
    )
    return Drawing(_INNER, len(lines) * step, marks)


def _pictures(picture: RegionPicture, shares: Mapping[str, float], room: float) -> Drawing:
    """Return the panels, no higher than ``room``, and the legend of the last."""
    gap, count = 8.0, len(picture.panels)
    legend = _legend(picture.words, legend_of(shares))
    width = (_INNER - (count - 1) * gap) / count
    shape = max(len(panel) / panel.shape[1] for panel in picture.panels)
    width = min(width, max(min(room, _MOST_PICTURE) - legend.height, _LEAST_PICTURE) / shape)
    marks: list[Mark] = []
    for index, panel in enumerate(picture.panels):
        height = width * len(panel) / panel.shape[1]
        marks.append(Picture(index * (width + gap), 0, width, height, panel))
    marks += legend.at(0, width * shape, 1.0)
    return Drawing(_INNER, width * shape + legend.height, tuple(marks))


def _legend(head: str, items: Sequence[tuple[str, tuple[int, int, int]]]) -> Drawing:
    """Return coloured squares with words, in as many lines as they need."""
    marks: list[Mark] = [Words(0, _LEGEND, head, 7)] if head else []
    x, y = (text_width(head, 7) + 8 if head else 0.0), _LEGEND
    for words, colour in items:
        width = 9 + text_width(words, 7)
        if x + width > _INNER:
            x, y = 0.0, y + _LEGEND
        marks.append(Area(x, y - 6, 6, 6, f"#{bytes(colour).hex()}"))
        marks.append(Words(x + 9, y, words, 7))
        x += width + 9
    return Drawing(_INNER, y + 1, tuple(marks))


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


def _table(rows: Sequence[Sequence[str]], head: Sequence[str], most: float) -> Drawing:
    """Return a table whose columns are as wide as their words; smaller type where it is wide."""
    widths = [_widest([head[at], *(row[at] for row in rows)]) for at in range(len(head))]
    size = min(most, (_INNER - _BETWEEN * (len(head) - 1)) / sum(widths))
    places = [
        sum(widths[:at]) * size + _BETWEEN * at for at in range(len(head))
    ]  # fmt: skip
    step, rule = _LINE * size, (_LINE + 0.28) * size
    marks: list[Mark] = [
        Words(x, (index + 1) * step, text, size, bold=index == 0)
        for index, row in enumerate((head, *rows))
        for x, text in zip(places, row, strict=True)
        if text
    ]
    marks.append(Line(0, rule, _INNER, rule, _RULE, width=0.5))
    return Drawing(_INNER, (len(rows) + 1) * step + 2, tuple(marks))


def _widest(texts: Sequence[str]) -> float:
    """Return the width of the longest of a column's texts by their size, the head's bold."""
    return max(text_width(text, 1.0, bold=not index) for index, text in enumerate(texts))
