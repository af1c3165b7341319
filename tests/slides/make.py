"""Small slides of every kind, made on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray
from scipy import ndimage

from napari_virtual_ihc.slides.pyramid import halve

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.source import Pixels

Rgb = NDArray[np.uint8]

SVS_TEXT = "Aperio Image Library v11.2.1 \r\n{w}x{h} [0,0 {w}x{h}] (240x240) {codec}|MPP = {mpp}"


def tissue(height: int, width: int, seed: int = 0) -> Rgb:
    """Smooth pink and violet blobs on glass: compresses like a slide."""
    noise = np.random.default_rng(seed).standard_normal((2, height, width))
    field = ndimage.gaussian_filter(noise, (0, 12, 12), mode="wrap")
    amount = np.clip(field / field.std(), 0, 3)
    od = amount[0][..., None] * (0.05, 0.2, 0.1) + amount[1][..., None] * (0.2, 0.22, 0.09)
    return (242 * 10.0**-od).astype(np.uint8)


def levels_of(image: Rgb, count: int, factor: int = 2) -> list[Rgb]:
    levels = [image]
    while len(levels) < count:
        small = levels[-1]
        for _ in range(factor.bit_length() - 1):
            small = halve(small)
        levels.append(small)
    return levels


def write_svs(
    path: Path, image: Rgb, mpp: float = 0.5, compression: Any = "jpeg", levels: int = 1
) -> Path:
    """Aperio layout: level 0, a striped thumbnail, further levels, then label and macro."""
    height, width = image.shape[:2]
    text = SVS_TEXT.format(w=width, h=height, mpp=mpp, codec="JPEG/RGB Q=90")
    own = {"level": 95} if compression == "jpeg" else {}
    full, *rest = levels_of(image, levels)
    with tifffile.TiffWriter(path) as tiff:
        options = {"photometric": "rgb", "metadata": None, "software": "Aperio"}
        tiled = {"tile": (240, 240), "compression": compression, "compressionargs": own}
        tiff.write(full, description=text, **options, **tiled)
        tiff.write(image[::8, ::8], description=text, rowsperstrip=16, **options)
        for level in rest:
            tiff.write(level, description=text, **options, **tiled)
        head = text.split("\r\n", 1)[0]
        for kind, subtype in (("label", 1), ("macro", 9)):
            black = np.zeros((60, 80, 3), np.uint8)
            words = f"{head}\r\n{kind} 80x60"
            tiff.write(black, description=words, subfiletype=subtype, rowsperstrip=16, **options)
    return path


def write_jpeg2000_svs(path: Path, image: Rgb, compression: int) -> Path:
    """Aperio JPEG 2000: 33005 holds RGB, 33003 YCbCr, neither marked in the codestream."""
    tile = 256
    height, width = image.shape[:2]
    stored = image if compression == 33005 else to_ycbcr(image)
    rows, cols = -(-height // tile), -(-width // tile)
    pad = ((0, rows * tile - height), (0, cols * tile - width), (0, 0))
    stored = np.pad(stored, pad, mode="edge")
    segments = [
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(stored[r * tile : (r + 1) * tile, c * tile : (c + 1) * tile]),
            level=0, codecformat="j2k", mct=False,
        )
        for r, c in np.ndindex(rows, cols)
    ]  # fmt: skip
    text = SVS_TEXT.format(w=width, h=height, mpp=0.25, codec="J2K/YUV16 Q=70")
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            iter(segments), shape=image.shape, dtype="uint8", tile=(tile, tile), metadata=None,
            photometric="rgb", compression=compression, description=text,
        )  # fmt: skip
    return path


def to_ycbcr(rgb: Rgb) -> Rgb:
    r, g, b = (rgb[..., band].astype(np.float64) for band in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    both = np.stack((y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402), axis=-1)
    return np.clip(np.rint(both), 0, 255).astype(np.uint8)


def write_ome_tiff(path: Path, image: Rgb, x: float, unit: str, y: float | None = None) -> Path:
    full, *rest = levels_of(image, 3)
    facts = {
        "axes": "YXS", "PhysicalSizeX": x, "PhysicalSizeXUnit": unit,
        "PhysicalSizeY": x if y is None else y, "PhysicalSizeYUnit": unit,
    }  # fmt: skip
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tiff:
        options = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate"}
        tiff.write(full, subifds=len(rest), metadata=facts, **options)
        for level in rest:
            tiff.write(level, subfiletype=1, **options)
    return path


def write_tiff(path: Path, image: Rgb, dpi: float | None = None, **options: Any) -> Path:
    resolution = {} if dpi is None else {"resolution": (dpi, dpi), "resolutionunit": "INCH"}
    tifffile.imwrite(path, image, photometric="rgb", metadata=None, **resolution, **options)
    return path


def write_ome_zarr(
    path: Path, image: Rgb, *, version: str, axes: str, scale: float, unit: str | None
) -> Path:
    """OME-Zarr with the axes asked for, two levels."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": a, "type": kinds.get(a, "space")} for a in axes]
    for axis in described:
        if axis["name"] in "yx" and unit is not None:
            axis["unit"] = unit
    datasets = []
    for level, pixels in enumerate(levels_of(image, 2)):
        order = [a for a in axes if a in "yxc"]
        data = pixels.transpose(["yxc".index(a) for a in order])
        data = data.reshape([data.shape[order.index(a)] if a in order else 1 for a in axes])
        chunks = tuple(100 if a in "yx" else 1 for a in axes)
        array = group.create_array(str(level), shape=data.shape, chunks=chunks, dtype="uint8")
        array[...] = data
        step = [scale * 2**level if a in "yx" else 1.0 for a in axes]
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": step}]}
        )
    content = {"version": version, "axes": described, "datasets": datasets}
    if version == "0.4":
        group.attrs["multiscales"] = [content]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [content]}
    return path


class ArraySource:
    """A source over an array, with pixels that may be marked as unreadable."""

    def __init__(self, image: Rgb, bad: NDArray[np.bool_] | None = None, levels: int = 1) -> None:
        self.images = levels_of(image, levels)
        self.bad = np.zeros(image.shape[:2], np.bool_) if bad is None else bad
        self.shapes = tuple((i.shape[0], i.shape[1]) for i in self.images)
        self.tile_shapes = ((64, 64),) * levels
        self.reads: list[tuple[int, int, int, int, int]] = []

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        height, width = self.shapes[level]
        assert y >= 0
        assert x >= 0
        assert y + h <= height
        assert x + w <= width
        self.reads.append((level, y, x, h, w))
        good = ~self.bad[y : y + h, x : x + w] if level == 0 else np.ones((h, w), np.bool_)
        return self.images[level][y : y + h, x : x + w].copy(), good
