"""Displacement fields as ITK writes them: MetaImage files (.mha) with their data inside."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.files import reason
from napari_virtual_ihc.registration.mapping import Field

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {"MET_FLOAT": np.float32, "MET_DOUBLE": np.float64}
_LARGEST_HEAD = 1 << 16


def read_metaimage(path: Path) -> Field:
    """Read a 2-D displacement field of two channels (dx, dy), in the unit of the file.

    Raises
    ------
    RegistrationError
        Where the file is missing or no such field.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RegistrationError(f"{path.name} cannot be read: {reason(error)}.") from error
    head, start = _head(path.name, content)
    try:
        return _decoded(head, content[start:])
    except (KeyError, ValueError, zlib.error) as error:
        raise RegistrationError(
            f"{path.name} is no 2-D field as ITK writes it: {reason(error)}."
        ) from error


def _head(name: str, content: bytes) -> tuple[dict[str, str], int]:
    """Return MetaImage's header, ``Key = value`` lines, and where the data begin."""
    head, start = {}, 0
    while start < min(len(content), _LARGEST_HEAD):
        end = content.find(b"\n", start)
        if end < 0:
            break
        key, _, value = content[start:end].decode("ascii", "replace").partition("=")
        head[key.strip()], start = value.strip(), end + 1
        if key.strip() == "ElementDataFile":
            return head, start
    raise RegistrationError(f"{name} is not a MetaImage file with its data inside.")


def _decoded(head: dict[str, str], data: bytes) -> Field:
    if head["NDims"] != "2" or head["ElementNumberOfChannels"] != "2":
        raise ValueError("it does not have 2 dimensions and 2 channels")
    if head["ElementDataFile"] != "LOCAL" or head.get("BinaryData", "True") != "True":
        raise ValueError("its data are not binary or lie in another file")
    axes = head.get("TransformMatrix", "1 0 0 1").split()
    if not np.allclose([float(part) for part in axes], (1, 0, 0, 1)):
        raise ValueError("its axes are turned")
    raw = zlib.decompress(data) if head.get("CompressedData", "False") == "True" else data
    kind: Any = np.dtype(_TYPES[head["ElementType"]])
    kind = kind.newbyteorder(">" if head.get("BinaryDataByteOrderMSB") == "True" else "<")
    cols, rows = (int(part) for part in head["DimSize"].split())
    values = np.frombuffer(raw, kind).reshape(rows, cols, 2)[..., ::-1].astype(np.float64)
    x0, y0 = (float(part) for part in head.get("Offset", head.get("Origin", "0 0")).split())
    dx, dy = (float(part) for part in head.get("ElementSpacing", "1 1").split())
    if min(dx, dy) <= 0:
        raise ValueError("its spacing is not over 0")
    return Field(values, (y0, x0), (dy, dx))
