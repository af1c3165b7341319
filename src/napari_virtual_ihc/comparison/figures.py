"""Numbers as they are printed: as many digits as they carry, never a power of ten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.measures.bootstrap import Estimate

NONE = "–"
_NOTHING = 1e-9
_PLACES = 6


def number(value: float | None) -> str:
    """Return three significant digits; a dash for none, 0 for what rounding errors leave."""
    if value is None or not math.isfinite(value):
        return NONE
    if abs(value) < _NOTHING:
        return "0"
    text = f"{value:.3g}"
    if "e+" in text:
        text = f"{float(text):.0f}"
    elif "e-" in text:
        text = f"{value:.{_PLACES}f}".rstrip("0").rstrip(".")
    return _signed(text)


def coefficient(value: float) -> str:
    """Return two decimals of a number between −1 and 1, as much as an interval leaves sure."""
    return _signed(f"{value:.2f}") if math.isfinite(value) else NONE


def interval(estimate: Estimate | None, *, of_unit: bool) -> str:
    """Return a value with its interval in brackets.

    Parameters
    ----------
    of_unit
        Whether it has the unit of its measure, else it is a coefficient.
    """
    if estimate is None or not math.isfinite(estimate.value):
        return NONE
    told = number if of_unit else coefficient
    if not math.isfinite(estimate.low):
        return told(estimate.value)
    return f"{told(estimate.value)} ({told(estimate.low)} to {told(estimate.high)})"


def percent(share: float) -> str:
    """Return a share, 0 to 1, in per cent."""
    return f"{number(round(100 * share, 2))} %" if math.isfinite(share) else NONE


def _signed(text: str) -> str:
    """Return a number with a minus as long as a plus, and a zero without any."""
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
