"""What our layers are made of: names, scale, units and the facts kept in their metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.heat import HeatScale
    from napari_virtual_ihc.widgets.translate.region_numbers import RegionNumbers

SLIDE = "virtual_ihc_slide"
VIRTUAL = "virtual_ihc_virtual"
REGION = "virtual_ihc_region"
HEAT = "virtual_ihc_heat"
OUTLINE = "virtual_ihc_outline"
"""Of a layer whose lines are as wide on screen at every zoom."""
HIDDEN = " · hidden"
"""After the name of a layer that must not be seen now."""
MIXED = "virtual_ihc_mixed"
"""Where a virtual layer that is mixed with another one is seen, in words."""
PATH = "virtual_ihc_path"
"""Where the file of a slide lies; kept in the window only."""
WARPED = "virtual_ihc_warped"
"""Fingerprint of the slide that a registered layer shows."""
ONTO = "virtual_ihc_onto"
"""Fingerprint of the slide that it lies on."""
_OVERVIEW_PX = 512
_GLASS, _NOTHING = (242, 242, 242, 255), (0, 0, 0, 0)


@dataclass(frozen=True)
class VirtualInfo:
    """What a layer of virtual pixels says of itself.

    Attributes
    ----------
    marker, model
        Such as ``"Ki-67"`` and ``"demo"``.
    slide
        Fingerprint of the slide it was computed from.
    provenance
        JSON values: model hash, statistics, device, precision; what an export also carries.
    """

    marker: str
    model: str
    slide: str
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeatInfo:
    """What a map over a slide says of itself.

    Attributes
    ----------
    scale
        What its colours mean.
    slide
        Fingerprint of the slide it lies on.
    provenance
        JSON values: what it was computed from.
    """

    scale: HeatScale
    slide: str
    provenance: dict[str, Any] = field(default_factory=dict)


def slide_of(layer: Layer) -> Slide | None:
    """Return the slide a layer shows, or None."""
    slide: Slide | None = layer.metadata.get(SLIDE)
    return slide


def virtual_of(layer: Layer) -> VirtualInfo | None:
    """Return what a virtual layer says of itself, or None for any other layer."""
    info: VirtualInfo | None = layer.metadata.get(VIRTUAL)
    return info


def heat_of(layer: Layer) -> HeatInfo | None:
    """Return what a map says of itself, or None for any other layer."""
    info: HeatInfo | None = layer.metadata.get(HEAT)
    return info


def is_foreign(layer: Layer) -> bool:
    """Whether a layer shows pixels that this package neither read nor made."""
    ours = (SLIDE, VIRTUAL, REGION, HEAT)
    return isinstance(layer, Image) and not any(key in layer.metadata for key in ours)


def region_of(layer: Layer) -> RegionNumbers | None:
    """Return the numbers of a region's layer, or None for any other layer."""
    numbers: RegionNumbers | None = layer.metadata.get(REGION)
    return numbers


def placing(mpp: float | None) -> dict[str, Any]:
    """Return scale, translate and units of a layer whose pixels are ``mpp`` µm.

    World (0, 0) is the corner of the first pixel; napari places pixel centres, hence the half.
    """
    step = 1.0 if mpp is None else mpp
    unit = "pixel" if mpp is None else "um"
    return {"scale": (step, step), "translate": (step / 2, step / 2), "units": (unit, unit)}


def image_arguments(name: str, mpp: float | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``add_image`` for RGBA tiles; nothing is left to guess from data."""
    return {
        "name": name,
        "rgb": True,
        "multiscale": True,
        "contrast_limits": (0, 255),
        "blending": "translucent",
        "interpolation2d": "linear",
        "cache": False,
        "metadata": metadata,
        **placing(mpp),
    }


class BlankLevel:
    """A level of one colour, standing in until a slide's first pixels are read.

    Parameters
    ----------
    height, width
        Size in px.
    colour
        RGBA, 0 to 255.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, height: int, width: int, colour: tuple[int, int, int, int] = _GLASS) -> None:
        self._colour = np.array(colour, np.uint8)
        self.shape = (height, width, 4)
        self.size = height * width * 4
        self.chunks = (min(height, 512), min(width, 512), 4)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """Return the colour in the shape that was asked for."""
        return np.array(np.broadcast_to(self._colour, self.shape)[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole level; napari asks this of the coarsest only."""
        return np.asarray(self[:], dtype=dtype)


def blank_levels(
    shape: tuple[int, int], colour: tuple[int, int, int, int] = _GLASS
) -> list[BlankLevel]:
    """Return levels of one colour for a slide of ``shape`` (height, width), each half as fine."""
    levels = [BlankLevel(*shape, colour)]
    while max(levels[-1].shape[:2]) > _OVERVIEW_PX:
        height, width = levels[-1].shape[:2]
        levels.append(BlankLevel(-(-height // 2), -(-width // 2), colour))
    return levels


def path_of(layer: Layer) -> Path | None:
    """Return the file a layer was opened from, or None where that is not known."""
    path = layer.metadata.get(PATH) or layer.source.path
    return None if path is None else Path(path)


def slide_layer(slide: Slide) -> tuple[Sequence[BlankLevel], dict[str, Any], str]:
    """Return napari layer data for a slide: glass at once, its tiles as they are read."""
    arguments = image_arguments(slide.name, slide.mpp, {SLIDE: slide})
    return blank_levels(slide.shape), arguments, "image"


def registered_layer(
    slide: Slide, moving: str, fixed: str
) -> tuple[Sequence[BlankLevel], dict[str, Any], str]:
    """Return layer data for a slide laid onto another one, which is seen until it is resampled.

    Parameters
    ----------
    slide
        The moving slide on the fixed one.
    moving, fixed
        Fingerprints of both.
    """
    metadata = {SLIDE: slide, WARPED: moving, ONTO: fixed}
    arguments = image_arguments(slide.name, slide.mpp, metadata)
    return blank_levels(slide.shape, _NOTHING), arguments, "image"
