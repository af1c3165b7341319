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
