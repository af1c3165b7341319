"""A slide's scale as the window knows it, and as people type it; no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_virtual_ihc.errors import UsageError

FINEST, COARSEST = 0.01, 100.0
"""µm/px that a scale may be typed as."""


@dataclass(frozen=True)
class KnownScale:
    """What is known of a slide's scale.

    Attributes
    ----------
    name
        Name of the slide.
    mpp
        µm/px of level 0; None where neither file nor user said.
    typed
        Whether the user said, so that it can be said anew.
    """

    name: str
    mpp: float | None = None
    typed: bool = False

    @property
    def open(self) -> bool:
        """Whether it is for the user to say."""
        return self.mpp is None or self.typed

    def missing(self, where: str = "here") -> str:
        """Return one sentence that asks for the scale; empty where it is known."""
        return "" if self.mpp is not None else f"{self.name} states no µm/px: type it {where}."


def typed_scale(text: str) -> float:
    """Return µm/px as typed, with point or comma.

    Raises
    ------
    UsageError
        Where that is no number, or none from 0.01 to 100.
    """
    try:
        mpp = float(text.strip().replace(",", "."))
    except ValueError:
        raise UsageError(f"“{text}” is no number; type µm per pixel, such as 0.25.") from None
    if not (math.isfinite(mpp) and FINEST <= mpp <= COARSEST):
        raise UsageError(f"{mpp:g} µm/px is no scale; type a number from {FINEST} to {COARSEST:g}.")
    return mpp
