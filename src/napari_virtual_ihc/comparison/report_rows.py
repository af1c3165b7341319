"""What a report says, as sentences and rows of words: the HTML, the PDF and the terminal alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.cautions import CELLS, LEAST_CELLS, LEAST_SQUARES, TOO_FEW
from napari_virtual_ihc.comparison.comparability import DEFAULT_RULES
from napari_virtual_ihc.comparison.figures import interval, number, percent
from napari_virtual_ihc.comparison.tally import AREA, MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired

    Told = Mapping[str, Any]
    Row = tuple[str, ...]

REGION_HEAD = ("The region", "unit", "virtual", "of", "real", "of", "formula")
AGREEMENT_HEAD = (
    "Per square", "µm", "n", "Pearson r", "Spearman ρ", "ICC(2,1)", "bias", "lower limit",
    "upper limit", "Dice", "weighted κ",
)  # fmt: skip
_STATISTICS = (
    ("pearson", False), ("spearman", False), ("icc", False), ("bias", True), ("lower", True),
    ("upper", True), ("dice", False), ("kappa", False),
)  # fmt: skip


def share_words(told: Told) -> str:
    """Return how much of the tissue the numbers are of."""
    if not told["tissue_mm2"]:
        return "There is no tissue with a virtual stain here."
    tissue, measured = (f"{number(told[name])} mm²" for name in ("tissue_mm2", "measured_mm2"))
    share = told["comparable_share"]
    if told["gated"]:
        return (
            f"{percent(share)} of the {tissue} of tissue with a virtual stain is comparable; that "
            f"alone is measured, {measured} of tissue on both slides."
        )
    judged = "nobody judged what is comparable" if share is None else (
        f"{percent(share)} of the {tissue} of tissue with a virtual stain is comparable"
    )  # fmt: skip
    return f"Not gated: all tissue of both slides was measured, {measured}; {judged}."


def place_words(about: Told) -> str:
    """Return which part of the slide was looked at, and how much of the slide is stained."""
    box, share = about.get("region_um"), about.get("stained_share")
    words = "Region: the whole slide."
    if box is not None:
        y, x, h, w = (f"{side:.0f}" for side in box)
        inside = "whole 50 µm squares inside an outline, " if about.get("rings_um") else ""
        words = f"Region: {inside}{h} × {w} µm at y {y} µm, x {x} µm."
    return words if share is None else (
        f"{words} The virtual stain covers {percent(share)} of the tissue of the slide."
    )  # fmt: skip


def warned(told: Told) -> list[str]:
    """Return what a reader must be warned of, one sentence each."""
    return [*told["cautions"], *told["provenance"].get("notes", ())]


def origin_rows(told: Told) -> list[tuple[str, str]]:
    """Return what a comparison was made from: who made the virtual pixels, who judged, when."""
    about = told["provenance"]
    rows = (
        ("Virtual IHC", _virtual(about)),
        ("Real IHC", about.get("real") or ""),
        ("Comparable by", _judges(about)),
        ("Registration", _registration(about.get("registration"))),
        ("Made", _made(told)),
    )
    return [row for row in rows if row[1]]


def region_rows(told: Told) -> list[Row]:
    """Return the measures of the region that have a value, see `REGION_HEAD`."""
    rows = []
    for one in MEASURES:
        found = told["region"][one.name]
        if found["virtual"] is not None or found["real"] is not None:
            sides = (
                words for side in ("virtual", "real")
                for words in (number(found[side]), _count(found["n"][side], one.items))
            )  # fmt: skip
            rows.append((one.title, one.unit, *sides, one.formula))
    return rows


def agreement_rows(found: Sequence[Paired]) -> list[Row]:
    """Return the agreement of every measure and size of square, see `AGREEMENT_HEAD`."""
    return [_agreement_row(one) for one in found]


def notes(told: Told, found: Sequence[Paired]) -> list[str]:
    """Return what the tables mean and how it was measured, one paragraph each."""
    edges = {one.measure.title: one.measure.edges for one in found if one.measure.edges}
    classes = "; ".join(
        f"{title} {', '.join(map(number, bounds))}" for title, bounds in edges.items()
    )  # fmt: skip
    return [
        "Bias is the mean of virtual − real over squares, limits are bias ± 1.96 SD (Bland–Altman),"
        " in the unit of the measure. In brackets: 95 % percentile bootstrap over squares. Dice is "
        f"of positive pixels. Under {LEAST_SQUARES} squares are {TOO_FEW}."
        + (f" Weighted κ (quadratic) is of classes divided at: {classes}." if classes else ""),
        "Shares of verdicts are of the tissue with a virtual stain. The map is judged in windows, "
        f"of which {percent(DEFAULT_RULES.tissue)} must be tissue: glass beside tissue takes the "
        "colour of its window.",
        f"{told['protocol']}.",
    ]


def _count(count: float, items: str) -> str:
    if items == AREA:
        return f"{number(count)} {items}"
    few = ", too few" if items in CELLS and count < LEAST_CELLS else ""
    return f"{count:.0f} {items}{few}"


def _agreement_row(one: Paired) -> Row:
    title = f"{one.measure.title}, {one.measure.unit}"
    head = title, f"{one.square_um:g}", str(len(one.real))
    if len(one.real) < LEAST_SQUARES:
        return (*head, TOO_FEW, *[""] * (len(_STATISTICS) - 1))
    values = (interval(one.statistics.get(name), of_unit=unit) for name, unit in _STATISTICS)
    return (*head, *values)


def _virtual(about: Told) -> str:
    virtual = about.get("virtual") or {}
    model = virtual.get("model")
    marker = about.get("marker")
    if not isinstance(model, dict):
        named = f"model {model}" if model else "its file does not say which model made it"
        parts = [marker, named]
    else:
        method, weights = model.get("method"), model.get("weights")
        mpp = virtual.get("mpp")
        parts = [
            marker, f"model {model.get('name')}" + (f" ({method})" if method else ""),
            f"{number(mpp)} µm/px" if mpp else None, f"weights {weights}" if weights else None,
        ]  # fmt: skip
    if virtual.get("fingerprint"):
        parts.append(f"slide {virtual['fingerprint']}")
    return ", ".join(part for part in parts if part)


def _judges(about: Told) -> str:
    words, he = str(about.get("comparable_by") or ""), about.get("he")
    return f"{words}; H&E {he}" if he else words


def _registration(found: Told | None) -> str:
    if found is None:
        return "none given: the slides are taken as aligned"
    agreeing, rtre = found.get("squares_agreeing"), found.get("rtre_median")
    parts = [
        str(found["stage"]),
        "" if agreeing is None else f"{percent(agreeing)} of squares agree",
        "no pairs of landmarks measured" if rtre is None else (
            f"median error {number(100 * rtre)} % of the diagonal (rTRE of {found['pairs']} pairs)"
        ),
        f"map {found['map']}",
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)


def _made(told: Told) -> str:
    about = told["provenance"]
    when, mpp = about.get("made_utc"), about.get("um_per_px")
    parts = [
        str(when).replace("T", " ").replace("+00:00", " UTC") if when else "",
        f"read at {number(mpp)} µm/px" if mpp else "",
        f"napari-virtual-ihc {told['version']}", str(told["schema"]),
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)
