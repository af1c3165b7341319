"""A folder of results that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_virtual_ihc.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def require_new(folder: Path) -> None:
    """Refuse a folder that holds something, or that cannot be made; nothing is made.

    Raises
    ------
    ExportError
        Naming it.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        kind = "is not empty" if folder.is_dir() else "is a file"
        raise ExportError(f"{folder} {kind}; give another folder.")
    above = next(one for one in folder.absolute().parents if one.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise ExportError(f"{folder} cannot be made in {above}; give another folder.")


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside to write into; it takes the name when all went well.

    Raises
    ------
    ExportError
        See `require_new`; or if the disk is full or read-only.
    """
    require_new(folder)
    try:
        with _draft(folder) as draft:
            yield draft
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{uuid4().hex[:8]}"
    draft.mkdir()
    try:
        yield draft
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_flushed(path: Path, data: bytes) -> None:
    """Write a file with the user's own permissions, and flush it to disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
