"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays that hold RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, quietly, reason
from napari_virtual_ihc.slides.readers.opened import MICRONS, Opened, isotropic
from napari_virtual_ihc.slides.source import GLASS, ChunkSource, all_valid

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.source import Pixels

_BLOCK = 1024
_LARGEST_CHUNK = 1 << 30
_PICTURE = 24
"""Range of grey levels from which a window shows something."""


@dataclass(frozen=True)
class _Layout:
    """Where rows, columns and colours are among an array's axes; the others have length 1."""

    axes: str

    @property
    def order(self) -> tuple[int, int, int]:
        return self.axes.index("y"), self.axes.index("x"), self.axes.index("c")

    def window(self, rows: slice, cols: slice) -> tuple[slice | int, ...]:
        places: dict[str, slice | int] = {"y": rows, "x": cols, "c": slice(0, 3)}
        return tuple(places.get(axis, 0) for axis in self.axes)

    @property
    def to_yxc(self) -> tuple[int, ...]:
        kept = [axis for axis in self.axes if axis in "yxc"]
        return tuple(kept.index(axis) for axis in "yxc")


class ZarrSource(ChunkSource):
    """Levels of a Zarr hierarchy. A chunk that is absent, or all exactly black, is glass.

    Writers may leave blank chunks out, and a lost chunk looks just so: where the next level shows
    a picture at its place it was lost, and cannot be read.

    Parameters
    ----------
    path
        Folder of the group or array.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.image = _Image.at(path)
        arrays = self.image.arrays
        self._layout = _Layout(self.image.axes)
        y, x, _ = self._layout.order
        shapes = tuple((int(a.shape[y]), int(a.shape[x])) for a in arrays)
        tiles = tuple(_tile((int(a.chunks[y]), int(a.chunks[x]))) for a in arrays)
        super().__init__(shapes, tiles)

    def __reduce__(self) -> tuple[object, ...]:
        """Reopen the folder in another process."""
        return ZarrSource, (self.path,)

    def decode(self, level: int, row: int, col: int) -> Pixels | None:
        """Return one block; None if a chunk of it is damaged."""
        (height, width), (th, tw) = self.shapes[level], self.tile_shapes[level]
        rows = slice(row * th, min((row + 1) * th, height))
        cols = slice(col * tw, min((col + 1) * tw, width))
        try:
            found = self.image.arrays[level][self._layout.window(rows, cols)]
        except FOREIGN_ERRORS:
            return None
        pixels = np.ascontiguousarray(np.asarray(found).transpose(self._layout.to_yxc))
        if (pixels == pixels[0, 0]).all() and self._pictured_elsewhere(level, rows, cols):
            return None
        if not pixels.any():
            pixels = np.full_like(pixels, GLASS[0])
        return all_valid(pixels)

    def _pictured_elsewhere(self, level: int, rows: slice, cols: slice) -> bool:
        """Return whether the next coarser level, or for the last the one before, shows more."""
        other = level + 1 if level + 1 < len(self.shapes) else level - 1
        if other < 0:
            return False
        window = (
            _inner(side, here, there)
            for side, here, there in zip(
                (rows, cols), self.shapes[level], self.shapes[other], strict=True
            )
        )
        try:
            found = np.asarray(self.image.arrays[other][self._layout.window(*window)])
        except FOREIGN_ERRORS:
            return False
        return found.size > 0 and int(found.max()) - int(found.min()) > _PICTURE


def _inner(side: slice, here: int, there: int) -> slice:
    """Return a span of a level of ``here`` pixels in one of ``there``, a pixel off its edges."""
    scale = there / here
    return slice(int(np.ceil(side.start * scale)) + 1, max(int(side.stop * scale) - 1, 0))


@dataclass(frozen=True)
class _Image:
    arrays: tuple[Any, ...]
    axes: str
    mpp: tuple[float | None, float | None]

    @classmethod
    def at(cls, path: Path) -> _Image:
        node = zarr.open(store=str(path), mode="r")
        if isinstance(node, zarr.Array):
            return cls((node,), "yxc", (None, None))._checked()
        if "multiscales" not in _ome(node) and "0" in node:
            node = node["0"]
        multiscales = _ome(node).get("multiscales")
        if not multiscales:
            raise SlideError("it has no multiscales metadata")
        first = multiscales[0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in first["axes"]]
        arrays = tuple(node[item["path"]] for item in first["datasets"])
        names = "".join(str(axis["name"])[0].lower() for axis in axes)
        return cls(_shrinking(arrays, names), names, _mpp(first, axes))._checked()

    def _checked(self) -> _Image:
        first = self.arrays[0]
        if "y" not in self.axes or "x" not in self.axes or len(self.axes) != first.ndim:
            raise SlideError(f"its axes {self.axes!r} are not those of a slide")
        colours = first.shape[self.axes.index("c")] if "c" in self.axes else 1
        if colours not in (3, 4) or first.dtype != np.uint8:
            raise NotBrightfieldError(
                f"it holds {colours} channel(s) of {first.dtype}, not 8-bit brightfield RGB"
            )
        extra = {a: n for a, n in zip(self.axes, first.shape, strict=True) if a not in "yxc"}
        if any(n != 1 for n in extra.values()):
            raise SlideError(f"it has more than one plane along {', '.join(extra)}")
        if int(np.prod(first.chunks, dtype=np.float64)) > _LARGEST_CHUNK:
            raise SlideError("its chunks are over 1 GB; rechunk it")
        return self


def open_zarr(path: Path) -> Opened:
    """Open an OME-Zarr image (or an array of shape (y, x, 3)) from its metadata.

    Raises
    ------
    SlideError
        One sentence naming the folder and what is wrong.
    """
    try:
        with quietly():
            source = ZarrSource(path)
    except SlideError as error:
        raise type(error)(f"{path.name} cannot be read as OME-Zarr: {error}.") from error
    except FOREIGN_ERRORS as error:
        raise SlideError(f"{path.name} cannot be read as OME-Zarr: {reason(error)}.") from error
    return Opened(source, isotropic(path.name, *source.image.mpp), "ome-zarr")


def _ome(group: Any) -> dict[str, Any]:
    attributes = dict(group.attrs)
    return dict(attributes.get("ome", attributes))


def _tile(chunk: tuple[int, int]) -> tuple[int, int]:
    return min(chunk[0], 4 * _BLOCK), min(chunk[1], 4 * _BLOCK)


def _shrinking(arrays: tuple[Any, ...], axes: str) -> tuple[Any, ...]:
    kept = list(arrays[:1])
    for array in arrays[1:]:
        if all(array.shape[axes.index(a)] < kept[-1].shape[axes.index(a)] for a in "yx"):
            kept.append(array)
    return tuple(kept)


def _mpp(
    multiscale: dict[str, Any], axes: list[dict[str, Any]]
) -> tuple[float | None, float | None]:
    whole = multiscale.get("coordinateTransformations", [])
    steps = [*multiscale["datasets"][0].get("coordinateTransformations", []), *whole]
    scales = [step["scale"] for step in steps if step.get("type") == "scale"]
    found: dict[str, float | None] = {}
    for index, axis in enumerate(axes):
        unit = MICRONS.get(str(axis.get("unit", "")).lower())
        value = float(np.prod([scale[index] for scale in scales])) if scales else None
        found[str(axis["name"])] = None if unit is None or value is None else unit * value
    return found.get("x"), found.get("y")
