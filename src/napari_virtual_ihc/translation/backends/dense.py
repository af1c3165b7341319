"""Dense normalisation: statistics of each tile, blended between tile centres pixel by pixel.

Ho et al. 2024 (Ultra-high-resolution unpaired stain transformation via dense normalization): pass 1
takes every tile's own statistics, pass 2 normalises each pixel by mean and 1/std interpolated
bilinearly between the centres of the tiles around it. Here variances are biased with eps 1e-5, as
in the network's own norm, and a tile without tissue stands in with the statistics of the slide.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_virtual_ihc.networks.norm_statistics import norm_layers, observing
from napari_virtual_ihc.translation.backends.torch_backend import exact_arithmetic, to_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_virtual_ihc.translation.backends.base import Bytes
    from napari_virtual_ihc.translation.blocks import Window

Table = dict[str, tuple[Tensor, Tensor]]
"""Mean and 1/std, each (C,) float32 on the CPU, by norm."""

_KEPT = 1024


def anchor_weights(
    start: int, count: int, step: float, tile: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return, for each position, the anchor before it and the weight of the anchor after it.

    Parameters
    ----------
    start
        First position in px of the slide's grid.
    count, step
        Positions lie at ``start + (i + 1/2) step``.
    tile
        Distance of anchors; anchor a lies at ``(a + 1/2) tile``.
    """
    places = (start + (np.arange(count) + 0.5) * step) / tile - 0.5
    before = np.floor(places)
    return before.astype(np.int64), (places - before).astype(np.float32)


def blend(
    table: Tensor, rows: tuple[NDArray[np.int64], NDArray[np.float32]],
    cols: tuple[NDArray[np.int64], NDArray[np.float32]],
) -> Tensor:  # fmt: skip
    """Return (1, C, h, w): ``table`` (C, R, S) at the positions of `anchor_weights`.

    Weights and products are taken pixel by pixel, so that a pixel's value does not depend on the
    window it is computed in.
    """
    y, fy = (torch.from_numpy(part).to(table.device) for part in rows)
    x, fx = (torch.from_numpy(part).to(table.device) for part in cols)
    fy, fx = fy[None, :, None], fx[None, None, :]
    down = table[:, y] * (1 - fy) + table[:, y + 1] * fy
    return (down[:, :, x] * (1 - fx) + down[:, :, x + 1] * fx)[None]


class DenseAnchors:
    """The statistics of tiles, measured when first needed, and their maps for a window.

    Parameters
    ----------
    network
        With live norms; its norms are mapped by `use`.
    read
        Returns a tile's own pixels (tile, tile, 3), mirrored beyond the slide, or None without
        tissue.
    slide
        Statistics of the slide (mean and variance), for tiles without tissue.
    shape
        Rows and columns of tiles; beyond them the nearest tile counts.
    tile
        Side of a tile in px.
    """

    def __init__(
        self, network: nn.Module, read: Callable[[int, int], Bytes | None],
        slide: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
        shape: tuple[int, int], tile: int, device: str,
    ) -> None:  # fmt: skip
        self._network = network.to(device).eval()
        self._device = torch.device(device)
        self._type = next(network.parameters()).dtype
        self._read = read
        self._shape = shape
        self._tile = tile
        self._norms = norm_layers(network)
        self._slide = {
            name: (torch.from_numpy(mean.copy()), _inverse(torch.from_numpy(var.copy())))
            for name, (mean, var) in slide.items()
        }
        self._known: OrderedDict[tuple[int, int], Table] = OrderedDict()

    def use(self, window: Window, cancelled: Callable[[], bool]) -> None:
        """Map the network's norms for an input that covers ``window``."""
        rows = [window.y // self._tile + n for n in _spanned(window.y, window.h, self._tile)]
        cols = [window.x // self._tile + n for n in _spanned(window.x, window.w, self._tile)]
        tables = [[self._anchor(row, col, cancelled) for col in cols] for row in rows]
        for name, norm in self._norms.items():
            mean, inverse = (
                torch.stack([torch.stack([t[name][part] for t in line], -1) for line in tables], -2)
                for part in (0, 1)
            )
            maps = _Maps(mean, inverse, window, (rows[0], cols[0]), self._tile, self._device)
            norm.map_with(maps)

    def _anchor(self, row: int, col: int, cancelled: Callable[[], bool]) -> Table:
        row = min(max(row, 0), self._shape[0] - 1)
        col = min(max(col, 0), self._shape[1] - 1)
        if (row, col) not in self._known:
            pixels = self._read(row, col)
            self._known[row, col] = self._slide if pixels is None else self._measure(pixels)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end((row, col))
        return self._known[row, col]

    def _measure(self, pixels: Bytes) -> Table:
        table: Table = {}

        def keep(name: str, mean: Tensor, var: Tensor, count: int) -> None:
            table[name] = mean[0].float().cpu(), _inverse(var[0].float().cpu())

        for norm in self._norms.values():
            norm.thaw()
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        with torch.inference_mode(), exact_arithmetic(), observing(self._network, keep):
            self._network(to_unit(image.to(self._device)).to(self._type))
        return table


class _Maps:
    def __init__(
        self, mean: Tensor, inverse: Tensor, window: Window, first: tuple[int, int], tile: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._mean, self._inverse = mean.to(device), inverse.to(device)
        self._window, self._first, self._tile = window, first, tile

    def __call__(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        window, tile = self._window, self._tile
        y, fy = anchor_weights(window.y, height, window.h / height, tile)
        x, fx = anchor_weights(window.x, width, window.w / width, tile)
        rows, cols = (y - self._first[0], fy), (x - self._first[1], fx)
        return blend(self._mean, rows, cols), blend(self._inverse, rows, cols)


def _spanned(start: int, length: int, tile: int) -> range:
    """Return the anchors around a window, counted from the tile that holds its start."""
    last = (start + length - 1) // tile - start // tile
    return range(-1, last + 2)


def _inverse(var: Tensor) -> Tensor:
    return torch.rsqrt(var + 1e-5)
