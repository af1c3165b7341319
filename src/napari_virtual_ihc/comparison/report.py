"""The one-page report: agreement in plots and numbers, with provenance; research use only."""

from __future__ import annotations

import json
import math
from html import escape
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.agreement import counts, totals
from napari_virtual_ihc.comparison.cautions import cautions
from napari_virtual_ihc.comparison.drawing import data_uri, svg
from napari_virtual_ihc.comparison.region_picture import legend_of
from napari_virtual_ihc.comparison.report_page import plotted
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
from napari_virtual_ihc.comparison.tally import MEASURES
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.pair_tally import PairTally
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.measures.bootstrap import Estimate

COMPARISON_SCHEMA = "virtual-ihc/comparison/2"
_UM2_PER_MM2 = 1e6
_STYLE = (
    "body{font:13px sans-serif;max-width:1020px;margin:16px auto}"
    ".virtual{background:#6E176B;color:#fff;padding:6px 10px;font-weight:bold}"
    ".caution{border-left:4px solid #B00020;padding-left:8px;font-weight:bold}"
    "table{border-collapse:collapse;font-size:11px;margin:12px 0}"
    "td,th{border:1px solid #ccc;padding:2px 5px;text-align:left}"
    ".origin td:first-child{font-weight:bold;white-space:nowrap}"
    ".origin td+td{overflow-wrap:anywhere}"
    ".verdict{display:inline-block;width:12px;height:12px}"
    "pre{font-size:10px;white-space:pre-wrap;overflow-wrap:anywhere}"
)


def facts(pair: PairTally, found: Sequence[Paired], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON values; nan is None, and so is a share that nobody judged.

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
    whole, items = totals(pair), counts(pair)
    values = {
        one.name: {side: _finite(value) for side, value in whole[one.name].items()}
        | {"items": one.items, "n": items[one.name]}
        for one in MEASURES
    }
    return stamp(COMPARISON_SCHEMA, "compare") | {
        "notice": RESEARCH_USE_ONLY,
        "provenance": dict(about),
        "protocol": pair.protocol,
        "tissue_mm2": pair.tissue_um2 / _UM2_PER_MM2,
        "measured_mm2": pair.measured_um2 / _UM2_PER_MM2,
        "gated": pair.gated,
        "comparable_share": _finite(pair.comparable) if pair.verdict_um2 else None,
        "verdict_shares": pair.verdict_shares,
        "cautions": list(cautions(pair)),
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
    strip = f'<p class="virtual">{escape(RESEARCH_USE_ONLY)}</p>'
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Virtual against real IHC</title><style>{_STYLE}</style></head><body>",
        f'<p class="virtual">VIRTUAL. {escape(RESEARCH_USE_ONLY)}</p>',
        f"<h1>Virtual against real IHC</h1><p>{escape(share_words(told))}<br>"
        f"{escape(place_words(told['provenance']))}</p>",
        *(f'<p class="caution">{escape(one)}</p>' for one in warned(told)),
        _rows(origin_rows(told)),
        "" if picture is None else _picture(picture, told["verdict_shares"]),
        "".join(map(svg, plotted(found))) or "<p>No tissue to measure.</p>",
        _rows(region_rows(told), REGION_HEAD), _rows(agreement_rows(found), AGREEMENT_HEAD),
        *(f"<p>{escape(one)}</p>" for one in notes(told, found)),
        "<details><summary>Provenance</summary><pre>"
        f"{escape(json.dumps(told['provenance'], indent=1, ensure_ascii=False))}</pre></details>",
        f"{strip}</body></html>",
    ]  # fmt: skip
    return "\n".join(parts).encode()


def _picture(picture: RegionPicture, shares: Mapping[str, float]) -> str:
    legend = " ".join(
        f'<span class="verdict" style="background:rgb{colour}"></span> {escape(words)}'
        for words, colour in legend_of(shares)
    )
    whole = (
        f'<img src="{data_uri(picture.whole())}" width="100%" alt="virtual, real, comparability">'
    )
    return f"{whole}<p>{escape(picture.words)} {legend}</p>"


def _rows(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Return a table; the first column of one without a head says what its rows are."""
    above = f"<tr>{''.join(f'<th>{escape(one)}</th>' for one in head)}</tr>" if head else ""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in rows
    )  # fmt: skip
    kind = "" if head else ' class="origin"'
    return f"<table{kind}>{above}{body}</table>"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _told(estimate: Estimate) -> dict[str, Any]:
    bounds = {name: _finite(getattr(estimate, name)) for name in ("value", "low", "high")}
    return bounds | {"n": estimate.n, "protocol": estimate.protocol}
