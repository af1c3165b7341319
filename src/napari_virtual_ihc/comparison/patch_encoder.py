"""What turns patches of tissue into features, and how alike two slides are to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_virtual_ihc.comparison.density import PER_OD, hematoxylin
from napari_virtual_ihc.comparison.views import Heatmap, MapInfo
from napari_virtual_ihc.comparison.windows import Layout, trimmed
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.unmix import compose
from napari_virtual_ihc.stains.vectors import H_E

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.density import Kind
    from napari_virtual_ihc.comparison.views import PairView

    Values = NDArray[np.float64]

FEATURES = "features"
_EOSIN = 0.12
"""Optical density of eosin everywhere in a picture of hematoxylin alone."""


class PatchEncoder(Protocol):
    """A network, or anything else, that sees patches of H&E and tells them by vectors."""

    @property
    def name(self) -> str:
        """What encodes, in words; said with every map."""
        ...

    @property
    def key(self) -> str:
        """Hash of everything the vectors depend on, the patches apart."""
        ...

    @property
    def mpp(self) -> float:
        """Scale of the patches, µm/px."""
        ...

    @property
    def side(self) -> int:
        """Side of a patch, px."""
        ...

    def __call__(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a vector for each patch, (n, features), of (n, side, side, 3) RGB.

        A patch's vector depends on that patch alone.
        """
        ...


def encoder_layout(encoder: PatchEncoder) -> Layout:
    """Return the layout of maps made by an encoder: a value per patch, which sees that patch."""
    return Layout(encoder.mpp, encoder.side, radius=0, reach=1)


def feature_similarity(encoder: PatchEncoder) -> Heatmap:
    """Return the map of how alike two slides are to an encoder.

    It needs views of `encoder_layout`. Both slides are shown to it as hematoxylin with a little
    eosin, so that it compares structure and not stains.
    """
    side_um = encoder.side * encoder.mpp
    info = MapInfo(
        FEATURES, "Feature similarity", "−1 to 1", 0.0, 1.0, "viridis",
        f"cosine of the vectors of both slides' hematoxylin in patches of {side_um:g} µm; "
        f"{encoder.name}",
    )  # fmt: skip
    return Heatmap(info, partial(_cosines, encoder), key=encoder.key)


def cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> Values:
    """Return the cosine between vectors (n, features), (n,); 0 where one is nothing."""
    inner = (first.astype(np.float64) * second).sum(axis=-1)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.asarray(inner / np.maximum(lengths, 1e-12), np.float64)


def hematoxylin_alone(rgb: NDArray[np.uint8], kind: Kind) -> NDArray[np.uint8]:
    """Return H&E or IHC, (h, w, 3), as H&E of its hematoxylin and a constant eosin."""
    density = hematoxylin(rgb, kind) / PER_OD
    amounts = np.stack([density, np.full_like(density, _EOSIN), np.zeros_like(density)], axis=-1)
    return compose(amounts, H_E)


def _cosines(encoder: PatchEncoder, view: PairView) -> Values:
    if view.layout != encoder_layout(encoder):
        raise DataError(
            f"Features by {encoder.name} need patches of {encoder.side} px at {encoder.mpp:g} µm/px"
            f", not cells of {view.layout.cell} px at {view.layout.mpp:g} µm/px."
        )
    kinds: tuple[Kind, Kind] = (view.fixed_kind, "ihc")
    first, second = (
        encoder(_patches(hematoxylin_alone(rgb, kind), view.layout))
        for rgb, kind in zip((view.fixed, view.moving), kinds, strict=True)
    )
    return cosine(first, second).reshape(view.shape)


def _patches(rgb: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """Return the patches of a view's cells, row by row, (n, cell, cell, 3)."""
    inner = np.moveaxis(trimmed(np.moveaxis(rgb, -1, 0), layout.margin), 0, -1)
    rows, columns, cell = inner.shape[0] // layout.cell, inner.shape[1] // layout.cell, layout.cell
    blocks = inner[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell, 3)
    return np.ascontiguousarray(blocks.swapaxes(1, 2).reshape(-1, cell, cell, 3))
