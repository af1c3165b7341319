"""How pairs look on the canvas: sizes, colours and numbers; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.landmarks import Side

SIZES_PX: dict[Side, int] = {"fixed": 20, "moving": 8}
"""Of a ring on the H&E, and of a dot on the real IHC, on the canvas."""
RING, WORST_RING = 0.1, 0.3
HALO = 0.2
"""Of a dot, white, as part of its size."""
COLOURS = ("#0033ff", "#ff7a00", "#000000", "#00e5ff", "#ff0000", "#00b000")
"""Far from eosin, hematoxylin, DAB and glass alike; pair n has colour n, on both slides."""
ANCHORS: dict[Side, str] = {"fixed": "upper_left", "moving": "lower_right"}
"""Where numbers stand, so that those of a pair that is met do not overprint."""


def colours_of(count: int) -> list[str]:
    """Return the colour of each of ``count`` pairs."""
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def label_of_pairs(anchor: str, count: int) -> dict[str, Any]:
    """Return how napari writes the number of each of ``count`` pairs, in its colour."""
    colour = {"array": colours_of(count), "default": "black"} if count else "black"
    return {"string": "{pair}", "size": 13, "color": colour, "anchor": anchor}
