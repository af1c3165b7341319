"""The Compare page's numbers in words and small tables; no Qt in here."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.agreement import counts, totals
from napari_virtual_ihc.comparison.cautions import LEAST_CELLS, LEAST_SQUARES, TOO_FEW, cautions
from napari_virtual_ihc.comparison.comparability import COLOURS, VERDICTS
from napari_virtual_ihc.comparison.figures import NONE, coefficient, number, percent
from napari_virtual_ihc.comparison.tally import AREA, MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.measures.bootstrap import Estimate
    from napari_virtual_ihc.widgets.compare.measuring import Answer

STATISTICS = {
    "pearson": "Pearson r", "spearman": "Spearman ρ", "icc": "ICC(2,1)", "bias": "bias",
    "lower": "lower limit", "upper": "upper limit", "dice": "Dice of area", "kappa": "weighted κ",
}  # fmt: skip
_TABLE = '<table width="100%" cellspacing="0" cellpadding="2">'
_TO = "\u2060…\u2060"
"""Between the ends of an interval, which stay on one line."""
_OF_UNIT = ("bias", "lower", "upper")
_UM2_PER_MM2 = 1e6


def share_line(answer: Answer) -> str:
    """Return how much of the tissue the numbers are of."""
    share = answer.tally.comparable
    if not math.isfinite(share):
        return f"{_capital(answer.region.words)}: no tissue with a virtual stain."
    tiles = "tile is" if answer.failed == 1 else "tiles are"
    failed = f"{answer.failed} virtual {tiles} left out: failed." if answer.failed else ""
    areas = answer.tally.tissue_um2, answer.tally.measured_um2
    tissue, kept = (number(area / _UM2_PER_MM2) for area in areas)
    where = _capital(answer.region.words)
    where += ", in whole squares of 50 µm" if answer.region.rings else ""
    line = (
        f"{where}: {percent(share)} of {tissue} mm² of tissue with a "
        f"virtual stain is comparable; only that is measured, {kept} mm² on both slides."
    )
    return " ".join(filter(None, (line, failed)))


def caution_line(answer: Answer) -> str:
    """Return what a reader of the numbers must be warned of, or nothing."""
    return " ".join(cautions(answer.tally))


def verdict_table(answer: Answer) -> str:
    """Return the share of each verdict with its colour on the map, two in a row, as HTML."""
    shares = answer.tally.verdict_shares
    cells = [
        f'<td bgcolor="#{bytes(COLOURS[one][:3]).hex()}">&nbsp;&nbsp;</td>'
        f"<td>&nbsp;{escape(words)}</td>{_right(f'{number(100 * shares[words])} %')}<td>&nbsp;</td>"
        for one, words in VERDICTS.items()
        if words in shares
    ]
    rows = (f"<tr>{''.join(cells[at : at + 2])}</tr>" for at in range(0, len(cells), 2))
    head = '<tr><td colspan="8">Tissue with a virtual stain:</td></tr>'
    return f"{_TABLE}{head}{''.join(rows)}</table>" if cells else ""


def region_table(answer: Answer) -> str:
    """Return every measure of the region for both slides and on how many cells, as HTML."""
    values, items = totals(answer.tally), counts(answer.tally)
    rows = []
    for one in MEASURES:
        if any(math.isfinite(value) for value in values[one.name].values()):
            sides = (
                _right(_of_items(values[one.name][side], items[one.name][side], one.items))
                for side in ("virtual", "real")
            )
            unit = f"<td>&nbsp;{escape(one.unit)}</td>"
            rows.append(f"<tr><td>{escape(one.title)}</td>{''.join(sides)}{unit}</tr>")
    head = f"<tr><td></td>{_right('<b>virtual</b>')}{_right('<b>real</b>')}<td></td></tr>"
    return f"{_TABLE}{head}{''.join(rows)}</table>" if rows else ""


def agreement_table(found: Sequence[Paired]) -> str:
    """Return one measure's agreement, a column for each size of square, as HTML."""
    if not found:
        return ""
    head = "".join(_right(f"<b>{one.square_um:g}</b>") for one in found)
    squares = "".join(_right(_squares(len(one.real))) for one in found)
    rows = [f"<tr><td><b>µm squares</b></td>{head}</tr>", f"<tr><td>n</td>{squares}</tr>"]
    for name, words in STATISTICS.items():
        if any(name in one.statistics for one in found):
            cells = "".join(_right(interval(name, _told(one, name))) for one in found)
            rows.append(f"<tr><td>{escape(words)}</td>{cells}</tr>")
    return f"{_TABLE}{''.join(rows)}</table>"


def live_line(found: Sequence[Paired]) -> str:
    """Return the agreement of the smallest squares that there are enough of, in one sentence."""
    if not found or len(found[0].real) < LEAST_SQUARES:
        return "Too few squares of 50 µm here to tell an agreement."
    one = found[0]
    told = (f"{STATISTICS[name]} {_inline(one.statistics[name])}" for name in ("pearson", "icc"))
    return (
        f"{one.measure.title} in {len(one.real)} squares of {one.square_um:g} µm: "
        f"{', '.join(told)}."
    )


def of_measure(found: Sequence[Paired], name: str) -> list[Paired]:
    """Return the agreement of one measure, smallest squares first."""
    return [one for one in found if one.measure.name == name]


def measured(found: Sequence[Paired]) -> list[tuple[str, str]]:
    """Return names and titles of the measures that have an agreement."""
    names = {one.measure.name for one in found}
    return [(one.name, one.title) for one in MEASURES if one.name in names]


def interval(name: str, estimate: Estimate | None) -> str:
    """Return a value of the statistic ``name`` with its interval under it, as HTML."""
    if estimate is None:
        return NONE
    told = number if name in _OF_UNIT else coefficient
    if not math.isfinite(estimate.value) or not math.isfinite(estimate.low):
        return told(estimate.value)
    low, high = told(estimate.low), told(estimate.high)
    return f"{told(estimate.value)}<br><small>{low}{_TO}{high}</small>"


def _of_items(value: float, count: float, items: str) -> str:
    """Return a value and under it on how many items; none where these are too few to tell it."""
    if items == AREA:
        return number(value)
    if count < LEAST_CELLS:
        return f"{NONE}<br><small>{TOO_FEW} ({count:.0f} {items})</small>"
    return f"{number(value)}<br><small>of {count:.0f} {items}</small>"


def _squares(count: int) -> str:
    return f"{count}<br><small>{TOO_FEW}</small>" if count < LEAST_SQUARES else str(count)


def _told(one: Paired, name: str) -> Estimate | None:
    return one.statistics.get(name) if len(one.real) >= LEAST_SQUARES else None


def _inline(estimate: Estimate) -> str:
    low, high = coefficient(estimate.low), coefficient(estimate.high)
    return f"{coefficient(estimate.value)} ({low} to {high})"


def _right(text: str) -> str:
    return f'<td align="right">{text}</td>'


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
