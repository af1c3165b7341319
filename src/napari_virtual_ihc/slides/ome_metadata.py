"""What our OME-Zarr 0.5 says of itself: axes, scale, channels."""

from __future__ import annotations

from typing import Any

KEY = "virtual-ihc"
"""Name of the group attribute that holds provenance."""

_COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


def image_metadata(levels: int, mpp: float) -> dict[str, Any]:
    """Return the ``ome`` attribute of an RGB pyramid whose levels halve.

    World (0, 0) is the top-left corner of the first pixel. OME-Zarr places pixel centres, so a
    level of s µm/px has ``scale`` s and ``translation`` s/2; two levels s0 and s1 differ by
    (s1 − s0)/2, the half-pixel offset that keeps them in register.

    Parameters
    ----------
    levels
        How many there are.
    mpp
        µm/px of level 0.
    """
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = [_dataset(level, mpp * 2**level) for level in range(levels)]
    channels = [
        {"label": label, "color": colour, "active": True,
         "window": {"min": 0, "max": 255, "start": 0, "end": 255}}
        for label, colour in _COLOURS
    ]  # fmt: skip
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": KEY,
                "axes": [{"name": "c", "type": "channel"}, *space],
                "datasets": datasets,
                "type": "mean of 2x2",
            }
        ],
        "omero": {"channels": channels, "rdefs": {"model": "color"}},
    }


def _dataset(level: int, mpp: float) -> dict[str, Any]:
    return {
        "path": str(level),
        "coordinateTransformations": [
            {"type": "scale", "scale": [1.0, mpp, mpp]},
            {"type": "translation", "translation": [0.0, mpp / 2, mpp / 2]},
        ],
    }
