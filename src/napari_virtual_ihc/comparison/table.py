"""Agreement and squares as CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.cautions import LEAST_SQUARES, TOO_FEW
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_virtual_ihc.comparison.agreement import Paired

_AGREEMENT = (
    "measure", "unit", "square_um", "statistic", "value", "low", "high", "n", "remark", "protocol",
)  # fmt: skip
_SQUARES = (
    "measure", "unit", "square_um", "y_um", "x_um", "virtual", "real", "comparable_share",
    "virtual_n", "real_n", "n_of",
)  # fmt: skip


def agreement_csv(found: Sequence[Paired], protocol: str) -> bytes:
    """Return one row per measure, size of square and statistic; empty where it has no value.

    Parameters
    ----------
    protocol
        How both slides were measured; joined to each statistic's own.
    """
    rows = (
        (
            one.measure.name, one.measure.unit, _number(one.square_um), name, _number(s.value),
            _number(s.low), _number(s.high), s.n, _remark(s.n), f"{s.protocol}; {protocol}",
        )
        for one in found
        for name, s in one.statistics.items()
    )  # fmt: skip
    return _csv(_AGREEMENT, rows)


def squares_csv(found: Sequence[Paired]) -> bytes:
    """Return one row per measure and square.

    Its corner in µm of the slide, its values, the comparable share of its tissue, and on how many
    items of what each slide was measured.
    """
    rows = (
        (
            one.measure.name, one.measure.unit, _number(one.square_um),
            *(_number(float(v)) for v in (*values, *items)), one.measure.items,
        )
        for one in found
        for *values, items in zip(
            one.y_um, one.x_um, one.virtual, one.real, one.comparable, one.items, strict=True
        )
    )  # fmt: skip
    return _csv(_SQUARES, rows)


def _remark(n: int) -> str:
    return TOO_FEW if n < LEAST_SQUARES else ""


def _number(value: float) -> str:
    """Return six digits, or nothing for nan."""
    return f"{value:.6g}" if math.isfinite(value) else ""


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    stream = io.StringIO()
    stream.write(f"# {RESEARCH_USE_ONLY}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()
