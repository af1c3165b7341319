"""What a compressed tile claims of itself, read before a decoder believes it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALONE = {0x01, *range(0xD0, 0xDA)}
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG's frame header, None if there is none.

    Parameters
    ----------
    data
        A JPEG, or one in abbreviated format whose tables are kept elsewhere.
    """
    at = 0
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG 2000 codestream (in a JP2 box or bare), or None."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 24 > len(data):
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    return bottom - top, right - left


def jpeg2000_subsampled(data: bytes) -> bool:
    """Return whether a JPEG 2000 codestream holds its second component at less resolution."""
    at = data.find(b"\xff\x4f\xff\x51")
    return at >= 0 and at + 48 <= len(data) and data[at + 46 : at + 48] != b"\x01\x01"


def from_ycbcr(ycc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB of an Aperio 33003 tile, whose components are YCbCr (ITU-R BT.601, full range).

    Where chroma is subsampled the decoder has converted it already.
    """
    y, cb, cr = (ycc[..., band].astype(np.float32) for band in range(3))
    cb, cr = cb - 128, cr - 128
    rgb = np.stack((y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb), axis=-1)
    whole: NDArray[np.uint8] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return whole
