"""Values to colours that colour-blind people can tell apart: a few anchors, interpolated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.views import MapInfo

_ANCHORS = {
    "viridis": ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30",
                "fde725"),
    "cividis": ("00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6c", "dfca52",
                "fee838"),
    "PuOr": ("7f3b08", "b35806", "e08214", "fdb863", "f7f7f7", "b2abd2", "8073ac", "542788",
             "2d004b"),
}  # fmt: skip


def colour_table(name: str) -> NDArray[np.uint8]:
    """Return 256 colours of a map, (256, 3).

    Raises
    ------
    KeyError
        If the map is unknown.
    """
    anchors = np.array([list(bytes.fromhex(one)) for one in _ANCHORS[name]], np.float64)
    at, places = np.linspace(0, 1, 256), np.linspace(0, 1, len(anchors))
    channels = [np.interp(at, places, anchors[:, channel]) for channel in range(3)]
    table: NDArray[np.uint8] = np.rint(np.stack(channels, -1)).astype(np.uint8)
    return table


def coloured_values(values: NDArray[np.float64], info: MapInfo) -> NDArray[np.uint8]:
    """Return values as RGBA, (rows, columns, 4); transparent where there is none (nan)."""
    share = np.clip((values - info.low) / (info.high - info.low), 0, 1)
    known = np.isfinite(values)
    index = np.rint(np.where(known, share, 0) * 255).astype(np.int64)
    rgb = colour_table(info.colormap)[index]
    alpha = np.where(known, 255, 0).astype(np.uint8)
    return np.concatenate([rgb, alpha[..., None]], axis=-1) * known[..., None].astype(np.uint8)
