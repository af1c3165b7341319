"""How two layers are seen in one picture, without Qt: the ways, and what each does to opacity."""

from __future__ import annotations

from enum import Enum

SQUARE_PX = 160
"""Side of a square of the checkerboard on screen."""


class Way(Enum):
    """A way of seeing two layers in one picture; the value is its button."""

    CURTAIN = "curtain"
    CHECKERBOARD = "checkers"
    BLINK = "blink"
    OPACITY = "opacity"

    @property
    def cuts(self) -> bool:
        """Whether each place shows one of the two layers only."""
        return self in (Way.CURTAIN, Way.CHECKERBOARD)


TIPS = {
    Way.CURTAIN: "One layer left of a line, the other right of it; drag the line (G)",
    Way.CHECKERBOARD: "The two layers in alternate squares (Shift+G)",
    Way.BLINK: "One layer, then the other; or hold Q",
    Way.OPACITY: "One layer fades into the other",
}


def framed(virtual: tuple[bool, bool], *, second_is_base: bool) -> int:
    """Return which of two layers has a frame around its squares: the one that is virtual.

    Where both are, or neither, it is the second; but never the H&E, which is not cut.
    """
    if virtual[0] == virtual[1]:
        return 0 if second_is_base else 1
    return virtual.index(True)


def place_words(way: Way, share: float, virtual: int, other: str) -> str:
    """Return where the virtual one of two layers is seen, and the other; empty for one alone.

    Parameters
    ----------
    virtual
        0 where it is the first layer, 1 where it is the second.
    other
        What the other one is, such as ``"REAL"``; it may be empty.
    """
    if way is Way.CURTAIN:
        here, there = ("right", "left") if virtual else ("left", "right")
        return f"{here} of the line" + (f", {other} {there}" if other else "")
    if way is Way.CHECKERBOARD:
        return "in framed squares" + (f", {other} in the others" if other else "")
    both = way is Way.OPACITY and 0 < share < 1
    return f"mixed with {other}" if both and other else ""


def weights(way: Way, share: float, *, second_on_top: bool) -> tuple[float, float]:
    """Return how much of its own opacity the first and the second layer have.

    Parameters
    ----------
    way
        Cut layers are seen in full. Of blinking ones only one is seen, the second from a share
        of one half on. In opacity the upper layer fades over the lower one, which is hidden only
        where the upper is meant to be seen alone: its missing tiles then show the H&E.
    share
        0 for the first layer alone, 1 for the second alone.
    second_on_top
        Which of the two lies above the other.
    """
    if way.cuts:
        return 1.0, 1.0
    if way is Way.BLINK:
        return (0.0, 1.0) if share >= 0.5 else (1.0, 0.0)
    upper = share if second_on_top else 1 - share
    lower = 0.0 if upper == 1 else 1.0
    return (lower, upper) if second_on_top else (upper, lower)
