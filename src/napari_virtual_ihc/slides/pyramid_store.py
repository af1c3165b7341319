"""The pyramid we write: OME-Zarr 0.5, tile by tile, so that work cut short is work kept."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, reason
from napari_virtual_ihc.slides.ome_metadata import KEY, image_metadata
from napari_virtual_ihc.slides.pyramid import halve, halved_shapes
from napari_virtual_ihc.slides.source import GLASS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_SMALLEST = 512


class OmeZarrPyramid:
    """An RGB pyramid on disk, axes (c, y, x) as OME-Zarr orders them, one chunk per tile.

    Level 0 is written tile by tile: each write is one chunk file, put in place by rename, so a
    tile is there whole or not at all, and several processes may write different tiles. A tile
    never written reads as the background grey. Coarser levels halve until 512 px fit.

    Placing in the world: see :func:`~napari_virtual_ihc.slides.ome_metadata.image_metadata`.

    Nothing of the source file's metadata is copied: the file holds geometry, scale and the
    ``attributes`` given, no more.

    Parameters
    ----------
    path
        Folder of the group.
    group
        The opened group; use :meth:`create` or :meth:`open`.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        ome = group.attrs["ome"]["multiscales"][0]
        arrays = [group[item["path"]] for item in ome["datasets"]]
        self._arrays = [array.with_config({"write_empty_chunks": True}) for array in arrays]
        step = ome["datasets"][0]["coordinateTransformations"][0]
        self.mpp = float(step["scale"][1])
        self.attributes: dict[str, Any] = dict(group.attrs.get(KEY, {}))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        height: int,
        width: int,
        mpp: float,
        tile: int,
        attributes: dict[str, Any],
        background: int = GLASS[0],
    ) -> OmeZarrPyramid:
        """Make an empty pyramid.

        Parameters
        ----------
        path
            Folder to make; it must not hold anything yet.
        height, width
            Size of level 0 in px.
        mpp
            µm/px of level 0.
        tile
            Side of a tile, and of a chunk, in px.
        attributes
            Provenance, JSON values; written as they are, so they must name no patient and no file.
        background
            Grey, 0 to 255, of what was never written.

        Raises
        ------
        ExportError
            If the folder is in use, or the disk is full or read-only.
        """
        path = Path(path)
        with _said(path):
            if path.is_file() or (path.is_dir() and any(path.iterdir())):
                raise ExportError(f"{path.name} exists already; give another name or resume it.")
            shapes = ((height, width), *halved_shapes((height, width), _SMALLEST))
            group = zarr.open_group(str(path), mode="w", zarr_format=3)
            for level, shape in enumerate(shapes):
                _array(group, level, shape, tile, background)
            group.attrs.update({"ome": image_metadata(len(shapes), mpp), KEY: attributes})
            return cls(path, group)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> OmeZarrPyramid:
        """Open a pyramid written here, to read it or to go on writing.

        Raises
        ------
        ExportError
            If there is none.
        """
        path = Path(path)
        try:
            group = zarr.open_group(str(path), mode="r+")
            return cls(path, group)
        except FOREIGN_ERRORS as error:
            raise ExportError(
                f"{path.name} is not a pyramid written by this package: {reason(error)}."
            ) from error

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level in px."""
        return tuple((array.shape[1], array.shape[2]) for array in self._arrays)

    @property
    def tile(self) -> int:
        """Side of a tile in px."""
        return int(self._arrays[0].chunks[1])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles of level 0."""
        return self._grid(0)

    def write_tile(self, row: int, col: int, rgb: NDArray[np.uint8]) -> None:
        """Write one tile of level 0; a second write of the same tile replaces the first.

        Parameters
        ----------
        row, col
            Place of the tile on the grid.
        rgb
            (h, w, 3) uint8; a tile at the lower or right edge may be given whole or clipped.

        Raises
        ------
        ExportError
            If the disk is full or read-only.
        """
        with _said(self.path):
            self._put(0, row, col, rgb)

    def has_tile(self, row: int, col: int) -> bool:
        """Return whether a tile of level 0 has been written."""
        return self._has(0, row, col)

    def drop_tile(self, level: int, row: int, col: int) -> None:
        """Remove a tile, so that it counts as never written; raises as `write_tile` does."""
        with _said(self.path):
            self._file(level, row, col).unlink(missing_ok=True)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> NDArray[np.uint8]:
        """Return a window of a level as (h, w, 3) uint8, clipped to the level."""
        window = self._arrays[level][:, y : y + h, x : x + w]
        return np.ascontiguousarray(np.asarray(window).transpose(1, 2, 0))

    def build_levels(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Make the coarser levels from the finished tiles.

        Each pixel is ``(a + b + c + d + 2) // 4`` of the level before it; an odd last row or
        column is repeated. Four tiles are in memory at a time. Where no tile was written, none
        is made.

        Parameters
        ----------
        progress
            Called with tiles done and tiles in all.

        Raises
        ------
        ExportError
            If the disk is full or read-only.
        """
        places = [
            (level, row, col)
            for level in range(1, len(self._arrays))
            for row, col in np.ndindex(*self._grid(level))
        ]
        with _said(self.path):
            for done, (level, row, col) in enumerate(places, start=1):
                self._build(level, row, col)
                if progress is not None:
                    progress(done, len(places))

    def _build(self, level: int, row: int, col: int) -> None:
        rows, cols = self._grid(level - 1)
        parts = [(r, c) for r in (2 * row, 2 * row + 1) for c in (2 * col, 2 * col + 1)]
        if any(self._has(level - 1, r, c) for r, c in parts if r < rows and c < cols):
            side = 2 * self.tile
            self._put(
                level, row, col, halve(self.read(level - 1, row * side, col * side, side, side))
            )

    def _put(self, level: int, row: int, col: int, rgb: NDArray[np.uint8]) -> None:
        height, width = self.shapes[level]
        y, x = row * self.tile, col * self.tile
        h, w = min(self.tile, height - y), min(self.tile, width - x)
        self._arrays[level][:, y : y + h, x : x + w] = rgb[:h, :w].transpose(2, 0, 1)

    def _has(self, level: int, row: int, col: int) -> bool:
        return self._file(level, row, col).is_file()

    def _file(self, level: int, row: int, col: int) -> Path:
        key = str(self._arrays[level].metadata.encode_chunk_key((0, row, col)))
        return self.path / str(level) / key

    def _grid(self, level: int) -> tuple[int, int]:
        height, width = self.shapes[level]
        return -(-height // self.tile), -(-width // self.tile)


def _array(group: zarr.Group, level: int, shape: tuple[int, int], tile: int, grey: int) -> None:
    group.create_array(
        str(level),
        shape=(3, *shape),
        chunks=(3, tile, tile),
        dtype="uint8",
        fill_value=grey,
        compressors=zarr.codecs.ZstdCodec(level=3),
        dimension_names=("c", "y", "x"),
    )


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{path.name} cannot be written: {reason(error)}.") from error
