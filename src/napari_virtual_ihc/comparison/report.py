"""The one-page report: agreement in plots and numbers, with provenance; research use only."""

from __future__ import annotations

import json
import math
from html import escape
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.agreement import totals
from napari_virtual_ihc.comparison.drawing import data_uri, svg
from napari_virtual_ihc.comparison.report_page import plotted, share_words
from napari_virtual_ihc.comparison.tally import MEASURES
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.pairing import PairTally
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.measures.bootstrap import Estimate

COMPARISON_SCHEMA = "virtual-ihc/comparison/2"
_UM2_PER_MM2 = 1e6
_SHOWN = ("pearson", "spearman", "icc", "bias", "lower", "upper", "kappa", "dice")
_STYLE = (
    "body{font:13px sans-serif;max-width:1020px;margin:16px auto}"
    ".virtual{background:#6E176B;color:#fff;padding:6px 10px;font-weight:bold}"
    "table{border-collapse:collapse;font-size:11px}td,th{border:1px solid #ccc;padding:2px 5px;"
    "text-align:right}th:first-child,td:first-child{text-align:left}pre{font-size:10px;"
    "white-space:pre-wrap}"
)


def facts(pair: PairTally, found: Sequence[Paired], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON values; nan is None, and so is the share without a gate.

    Parameters
    ----------
    pair, found
        Sums of both slides, and the agreement made of them.
    about
        Provenance: fingerprints of the slides, region, scale. No file names.
    """
    agreement = [
        {
            "measure": one.measure.name, "unit": one.measure.unit, "square_um": one.square_um,
            "statistics": {name: _told(value) for name, value in one.statistics.items()},
        }
        for one in found
    ]  # fmt: skip
    values = {
        name: {side: _finite(value) for side, value in both.items()}
        for name, both in totals(pair).items()
    }
    return stamp(COMPARISON_SCHEMA, "compare") | {
        "notice": RESEARCH_USE_ONLY,
        "provenance": dict(about),
        "protocol": pair.protocol,
        "tissue_mm2": pair.tissue_um2 / _UM2_PER_MM2,
        "gated": pair.gated,
        "comparable_share": _finite(pair.comparable) if pair.gated else None,
        "verdict_shares": pair.verdict_shares,
        "region": values,
        "agreement": agreement,
    }


def html(
    told: Mapping[str, Any], found: Sequence[Paired], picture: RegionPicture | None = None
) -> bytes:
    """Return the report as one HTML file that needs no other.

    Parameters
    ----------
    told
        What `facts` returned.
    found
        The agreement it was made of.
    picture
        Of the region.
    """
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Virtual against real IHC</title><style>{_STYLE}</style></head><body>",
        f'<p class="virtual">VIRTUAL. {escape(RESEARCH_USE_ONLY)}</p>',
        f"<h1>Virtual against real IHC</h1><p>{escape(share_words(told))}</p>",
        "" if picture is None else _picture(picture),
        _plots(found), _region(told["region"]), _agreement(found),
        f"<p>{escape(told['protocol'])}</p>",
        f"<pre>{escape(json.dumps(told['provenance'], indent=1, ensure_ascii=False))}\n"
        f"version {escape(told['version'])}, schema {escape(told['schema'])}</pre>",
        f'<p class="virtual">{escape(RESEARCH_USE_ONLY)}</p></body></html>',
    ]  # fmt: skip
    return "\n".join(parts).encode()


def _picture(picture: RegionPicture) -> str:
    legend = " ".join(
        f'<span style="background:rgb{colour};padding:0 6px">&nbsp;</span> {escape(words)}'
        for words, colour in picture.legend()
    )
    whole = (
        f'<img src="{data_uri(picture.whole())}" width="100%" alt="virtual, real, comparability">'
    )
    return f"{whole}<p>{legend} {escape(picture.words)}</p>"


def _plots(found: Sequence[Paired]) -> str:
    return "".join(map(svg, plotted(found))) or "<p>No tissue to measure.</p>"


def _region(region: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = [
        f"<tr><td>{escape(one.title)}</td><td>{escape(one.unit)}</td>"
        f"<td>{_number(region[one.name]['virtual'])}</td>"
        f"<td>{_number(region[one.name]['real'])}</td><td>{escape(one.formula)}</td></tr>"
        for one in MEASURES
        if region[one.name]["real"] is not None or region[one.name]["virtual"] is not None
    ]
    head = "<tr><th>Region</th><th>unit</th><th>virtual</th><th>real</th><th>formula</th></tr>"
    return f"<h2>The region</h2><table>{head}{''.join(rows)}</table>"


def _agreement(found: Sequence[Paired]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("measure", "square µm", "n", *_SHOWN))
    rows = []
    for one in found:
        cells = (_interval(one.statistics.get(name)) for name in _SHOWN)
        rows.append(
            f"<tr><td>{escape(one.measure.title)}</td><td>{one.square_um:g}</td>"
            f"<td>{len(one.real)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        )
    return f"<h2>Per square</h2><table><tr>{head}</tr>{''.join(rows)}</table>"


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or not math.isfinite(estimate.value):
        return "–"
    if not math.isfinite(estimate.low):
        return _number(estimate.value)
    return f"{_number(estimate.value)}<br>{_number(estimate.low)} to {_number(estimate.high)}"


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _told(estimate: Estimate) -> dict[str, Any]:
    bounds = {name: _finite(getattr(estimate, name)) for name in ("value", "low", "high")}
    return bounds | {"n": estimate.n, "protocol": estimate.protocol}
