"""What a slide is: levels of RGB, a scale, and regions of it at any µm/px."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import dask.array as da
import numpy as np

from napari_virtual_ihc.errors import MissingScaleError, NotBrightfieldError, SlideError
from napari_virtual_ihc.slides import survey
from napari_virtual_ihc.slides.resample import resample
from napari_virtual_ihc.slides.source import scales_of
from napari_virtual_ihc.stains.identity import stain_kind
from napari_virtual_ihc.stains.tissue import glass_colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels, TileSource

_NEARLY = 1e-6
_CHUNK = 512


class Region(NamedTuple):
    """Pixels of a region, uint8 RGB (h, w, 3), and which of them are right, bool (h, w)."""

    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Slide:
    """A brightfield slide, read lazily.

    Parameters
    ----------
    name
        File name without folder; for messages and titles only.
    source
        Where pixels come from.
    mpp
        µm per px of level 0, or None where neither file nor user said.
    vendor
        Kind of file, such as ``"aperio"``.
    notes
        Sentences the user should see, such as a contradiction about the scale.
    trusted
        True for pixels known to be brightfield (computed ones), which are then not surveyed.
    """

    name: str
    source: TileSource = field(repr=False)
    mpp: float | None = None
    vendor: str = "unknown"
    notes: tuple[str, ...] = ()
    trusted: bool = False

    def __post_init__(self) -> None:
        """Refuse a scale that is no scale."""
        if self.mpp is not None and not (math.isfinite(self.mpp) and self.mpp > 0):
            raise SlideError(f"{self.name}: {self.mpp} µm/px is no scale; give a number over 0.")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0 in px."""
        return self.source.shapes[0]

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Downsample of each level against level 0; the first is 1."""
        return scales_of(self.source.shapes)

    @property
    def size_um(self) -> tuple[float, float]:
        """Height and width in µm. Raises MissingScaleError where the scale is not known."""
        mpp = self.require_mpp()
        return self.shape[0] * mpp, self.shape[1] * mpp

    @cached_property
    def fingerprint(self) -> str:
        """Name of the content: 32 hexadecimal digits, the same wherever and whenever opened."""
        return survey.fingerprint(self.source)

    @cached_property
    def background(self) -> tuple[int, int, int]:
        """Colour of clear glass, estimated from an overview; where pixels are missing, it fills."""
        pixels, valid = self._overview
        return glass_colour(pixels[valid][None])

    @cached_property
    def levels(self) -> tuple[da.Array, ...]:
        """One lazy dask array per level, YXC uint8 RGB, chunked as the file is.

        Names follow from the content, so that equal slides share dask's cache entries. Tiles
        and strips under 512 px are joined into chunks of about that size.
        """
        return tuple(self._lazy(level) for level in range(len(self.source.shapes)))

    def require_mpp(self) -> float:
        """Return µm/px of level 0.

        Raises
        ------
        MissingScaleError
            Where the file does not state it and none was given.
        """
        if self.mpp is None:
            raise MissingScaleError(f"{self.name} does not state its scale; give its µm/px.")
        return self.mpp

    def with_mpp(self, mpp: float) -> Slide:
        """Return the same slide at a scale the user gives, in µm/px; a contradiction is noted."""
        return replace(self, mpp=mpp, notes=self.notes + contradiction(self.name, self.mpp, mpp))

    def region(self, y_um: float, x_um: float, h: int, w: int, mpp: float) -> Region:
        """Return pixels of the slide's grid at ``mpp``.

        Parameters
        ----------
        y_um, x_um
            World position of the region's top-left corner in µm, taken to the nearest corner of
            the grid at ``mpp``: pixel (i, j) of that grid has its centre at (i + 1/2) mpp.
        h, w
            Size in output px, each over 0.
        mpp
            Scale of the output in µm/px.

        Returns
        -------
        Region
            Made from the coarsest level that is no coarser than ``mpp``; mirrored beyond the
            slide's edges. A pixel of the grid has the same bytes in whatever region it is read.

        Raises
        ------
        MissingScaleError
            Where the slide's scale is not known.
        NotBrightfieldError
            Where the background is dark.
        """
        own = self.require_mpp()
        if not (math.isfinite(mpp) and mpp > 0):
            raise SlideError(f"{self.name}: {mpp} µm/px is no scale; give a number over 0.")
        return self._grid_region(round(y_um / mpp), round(x_um / mpp), h, w, mpp / own)

    def thumbnail(self, max_px: int) -> tuple[NDArray[np.uint8], float | None]:
        """Return the whole slide with its longer side at most ``max_px``, and its µm/px.

        The scale is None where the slide's is not known.
        """
        scale = max(max(self.shape) / max_px, 1.0)
        h, w = (max(round(side / scale), 1) for side in self.shape)
        pixels = self._grid_region(0, 0, h, w, scale).pixels
        return pixels, None if self.mpp is None else self.mpp * scale

    def check(self) -> tuple[str, ...]:
        """Look at an overview and return sentences of warning, none for an ordinary H&E slide.

        Raises
        ------
        NotBrightfieldError
            Where the background is dark: fluorescence stored as RGB.
        """
        self._refuse_dark()
        pixels, valid = self._overview
        seen = pixels[valid & pixels.any(axis=-1)]
        if stain_kind(seen[None]) == "ihc":
            return (f"{self.name} looks like IHC, not H&E.",)
        return ()

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return a window of a level with the glass colour where pixels cannot be read.

        See :meth:`TileSource.read`; the window must lie inside the level.
        """
        self._refuse_dark()
        pixels, valid = self.source.read(level, y, x, h, w)
        if not valid.all():
            pixels[~valid] = self.background
        return pixels, valid

    def absent(self, y_um: float, x_um: float, h: int, w: int, mpp: float) -> NDArray[np.bool_]:
        """Return where a region, see :meth:`region`, shows what was never on the slide; nowhere.

        A slide laid onto another one ends where the other goes on.
        """
        return np.zeros((h, w), np.bool_)

    def _grid_region(self, row: int, col: int, h: int, w: int, scale: float) -> Region:
        if h < 1 or w < 1:
            raise SlideError(f"{self.name}: a region of {h} by {w} px holds nothing.")
        level = self._level_for(scale)
        read = partial(self.read, level)
        shape, step = self.source.shapes[level], scale / self.scales[level]
        return Region(*resample(read, shape, (row, col), (h, w), step))

    def _level_for(self, scale: float) -> int:
        fine = [i for i, have in enumerate(self.scales) if have <= scale * (1 + _NEARLY)]
        return fine[-1] if fine else 0

    def _lazy(self, level: int) -> da.Array:
        shape, tile = self.source.shapes[level], self.source.tile_shapes[level]
        chunks = tuple(
            min(max(round(_CHUNK / step), 1) * step, side)
            for side, step in zip(shape, tile, strict=True)
        )
        name = f"slide-{self.fingerprint}-{level}"
        array = _LevelArray(self, level)
        return da.from_array(
            array, chunks=(*chunks, 3), name=name, fancy=False, asarray=False,
            meta=np.empty((0, 0, 0), np.uint8),
        )  # fmt: skip

    @cached_property
    def _overview(self) -> Pixels:
        return survey.overview(self.source)

    @cached_property
    def _dark(self) -> bool:
        return not self.trusted and survey.is_dark(*self._overview)

    def _refuse_dark(self) -> None:
        if self._dark:
            raise NotBrightfieldError(
                f"{self.name} has a dark background: it looks like fluorescence, and only "
                "brightfield slides can be translated."
            )


def contradiction(name: str, stated: float | None, given: float) -> tuple[str, ...]:
    """Return a sentence where the given µm/px is over 1 % off the stated, else nothing."""
    if stated is None or abs(given / stated - 1) <= 0.01:
        return ()
    return (f"{name} states {stated:.4g} µm/px; {given:.4g} is used as given.",)


class _LevelArray:
    """One level as the array protocol dask asks for."""

    def __init__(self, slide: Slide, level: int) -> None:
        self._slide, self._level = slide, level
        self.shape = (*slide.source.shapes[level], 3)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        rows, cols, bands = key
        y0, y1, _ = rows.indices(self.shape[0])
        x0, x1, _ = cols.indices(self.shape[1])
        return self._slide.read(self._level, y0, x0, y1 - y0, x1 - x0)[0][..., bands]
