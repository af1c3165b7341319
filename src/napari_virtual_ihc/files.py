"""Atomic files and hashes: what is on disk is whole, or it is not there."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import VirtualIhcError

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20


def reason(error: Exception) -> str:
    """Return what an error says, without the number and name that the system's own come with."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error)


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, flush it to disk, then rename it into place.

    Raises
    ------
    OSError
        If the disk is full or read-only; ``path`` then keeps its former content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` as indented UTF-8 JSON, atomically."""
    atomic_write_bytes(path, to_json(content))


def to_json(content: dict[str, Any]) -> bytes:
    """Return ``content`` as indented UTF-8 JSON; raises ValueError for NaN and infinity."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def read_json(path: Path, *, schema: str | None = None) -> dict[str, Any]:
    """Read a JSON object, and refuse one of another schema by name.

    Raises
    ------
    VirtualIhcError
        If the file is missing, is not a JSON object, or its ``schema`` differs.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VirtualIhcError(f"{path} cannot be read as JSON: {reason(error)}.") from error
    if not isinstance(content, dict):
        raise VirtualIhcError(f"{path} does not hold a JSON object.")
    if schema is not None and content.get("schema") != schema:
        found = content.get("schema")
        raise VirtualIhcError(f"{path} has schema {found!r}, this version reads {schema!r}.")
    return content


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def hash_of(*parts: object) -> str:
    """Return 32 hexadecimal digits that name ``parts`` (JSON values or bytes), order included."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else _canonical(part)
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]


def _canonical(part: object) -> bytes:
    return json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
