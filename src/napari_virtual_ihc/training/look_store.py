"""Looks of pictures kept on disk, so that a data set is decoded for its check once."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.files import hash_of, read_json, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.training.looks import Look, look_at
from napari_virtual_ihc.training.pictures import Picture, decode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = "virtual-ihc/picture-looks/1"
_UNSETTLED_NS = 2_000_000_000
"""A file changed this short a time ago may change again without a new time of change."""


class LookStore:
    """Looks by content of a file, and contents by path, size and time of change.

    A file whose size and time are known is not opened; one that was only moved or copied is read
    but not decoded. What is on disk holds hashes, no file names.

    Parameters
    ----------
    file
        Where looks are kept.
    mpp
        Scale at which pictures are looked at, µm/px.
    """

    def __init__(self, file: Path, mpp: float) -> None:
        self._file = file
        self.mpp = mpp
        self._contents: dict[str, str] = {}
        self._looks: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()

    @classmethod
    def open(cls, folder: Path, root: Path, mpp: float) -> Self:
        """Open the store of the data set ``root`` in the cache ``folder``.

        A file there that is damaged or of another version is not used: all is looked at anew.
        """
        store = cls(folder / "pictures" / f"{hash_of(SCHEMA, str(root.absolute()), mpp)}.json", mpp)
        with contextlib.suppress(VirtualIhcError, KeyError, TypeError, AttributeError):
            content = read_json(store._file, schema=SCHEMA)
            looks = {key: asdict(Look(**look)) for key, look in content["looks"].items()}
            store._contents, store._looks = dict(content["contents"]), looks
        return store

    def looks(self, path: Path, pictures: Sequence[Picture]) -> list[Look]:
        """Return the looks of the ``pictures`` in one file.

        Raises
        ------
        DataError
            If the file is not a picture, or damaged anywhere.
        OSError
            If it cannot be read.
        """
        stat = path.stat()
        place = hash_of(str(path.absolute()), stat.st_size, stat.st_mtime_ns)
        content = self._contents.get(place)
        if content is None or any(_key(content, p) not in self._looks for p in pictures):
            content = self._look(path, pictures)
        if time.time_ns() - stat.st_mtime_ns > _UNSETTLED_NS:
            self._contents[place] = content
        self._used |= {place, content}
        return [Look(**self._looks[_key(content, picture)]) for picture in pictures]

    def _look(self, path: Path, pictures: Sequence[Picture]) -> str:
        data = path.read_bytes()
        content = hashlib.sha256(data).hexdigest()
        missing = [picture for picture in pictures if _key(content, picture) not in self._looks]
        if missing:
            whole = decode(path, data)
            for picture in missing:
                look = look_at(picture.part(whole), self.mpp)
                self._looks[_key(content, picture)] = asdict(look)
        return content

    def save(self) -> None:
        """Write what was asked for since opening; where that fails, the next opening looks anew."""
        looks = {key: look for key, look in self._looks.items() if key.split()[0] in self._used}
        contents = {place: name for place, name in self._contents.items() if place in self._used}
        with contextlib.suppress(OSError):
            facts = stamp(SCHEMA, "data") | {"contents": contents, "looks": looks}
            write_json(self._file, facts)


def _key(content: str, picture: Picture) -> str:
    return f"{content} {picture.half or 'whole'}"
