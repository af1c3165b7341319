"""What lies beside the pixels of an export: statistics, failures, checksums; never a file name."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from napari_virtual_ihc.errors import ExportError, VirtualIhcError
from napari_virtual_ihc.files import atomic_write_bytes, read_json, to_json, write_json
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS
from napari_virtual_ihc.translation.calibration import Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
    from napari_virtual_ihc.translation.plan import Box

SCHEMA = "virtual-ihc/export/1"
_GROUP = "virtual-ihc"
_STATISTICS = "statistics.safetensors"
_FAILURES = "failures.json"
_CHECKSUMS = "checksums.json"
_BEGUN = "begun.json"
_WRITER = "writer.json"
_UNREADABLE = "cannot be read"
_MOST_TOLD = 4
_NAMES = {
    ("model",): "another model",
    ("slide", "fingerprint"): "another slide",
    ("slide", "mpp"): "another scale of the slide",
    ("settings",): "other settings",
    ("statistics",): "other statistics",
    ("mpp",): "another scale",
}
"""Where a provenance names what an output was made from, and what it is where that differs."""

Place = tuple[int, int]


class Record:
    """The files of one export that this package alone reads.

    They lie in a Zarr group of their own, so that other readers list the levels undisturbed.

    Parameters
    ----------
    pyramid
        Folder of an OME-Zarr pyramid.
    """

    def __init__(self, pyramid: Path) -> None:
        self._folder = pyramid / _GROUP

    def _make_group(self) -> None:
        group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        write_json(self._folder / "zarr.json", group)

    def _keep(self, name: str, data: bytes) -> None:
        self._make_group()
        atomic_write_bytes(self._folder / name, data)

    def _keep_json(self, name: str, content: dict[str, Any]) -> None:
        self._keep(name, to_json(stamp(SCHEMA, "translate") | content))

    def keep_statistics(self, statistics: Statistics | None) -> None:
        """Keep the statistics that every pixel was made with."""
        if statistics is not None:
            self._keep(_STATISTICS, statistics.to_bytes())

    def statistics(self, provenance: dict[str, Any]) -> Statistics | None:
        """Return the statistics kept, or None if they are not those the provenance names."""
        named = provenance.get("statistics")
        if not isinstance(named, dict):
            return None
        try:
            data = (self._folder / _STATISTICS).read_bytes()
            found = Statistics.from_bytes(data, int(named["windows"]))
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        return found if found.hash == named.get("hash") else None

    def failures(self) -> dict[Place, str]:
        """Return the tiles that failed, and why."""
        path = self._folder / _FAILURES
        if not path.exists():
            return {}
        listed = read_json(path, schema=SCHEMA)["failed"]
        return {(int(row), int(col)): str(reason) for row, col, reason in listed}

    def keep_failures(self, failed: dict[Place, str]) -> None:
        """Keep which tiles failed; they are hatched in the pixels and tried again on resuming."""
        listed = [[*place, reason] for place, reason in sorted(failed.items())]
        self._keep_json(_FAILURES, {"failed": listed})

    def lists_failures(self) -> bool:
        """Return whether there is a list of failed tiles, perhaps an empty one."""
        return (self._folder / _FAILURES).exists()

    def open_again(self, region: Box | None) -> None:
        """Withdraw the checksums, since pixels of a region (None: all) are about to change."""
        self._keep_json(_BEGUN, {"region_um": region})
        (self._folder / _CHECKSUMS).unlink(missing_ok=True)

    def begun(self) -> Box | None:
        """Return the region that was being made of an unfinished export; None for all."""
        path = self._folder / _BEGUN
        region = read_json(path, schema=SCHEMA)["region_um"] if path.exists() else None
        return None if region is None else (region[0], region[1], region[2], region[3])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one process of this machine that writes the export.

        Raises
        ------
        ExportError
            If another living one does.
        """
        self._make_group()
        file = self._folder / _WRITER
        owner = ProcessIdentity.claim(file)
        if owner is not None:
            name = self._folder.parent.name
            raise ExportError(f"{name} is being written by process {owner.pid}; wait for it.")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def seal(self, pyramid: OmeZarrPyramid) -> dict[str, str]:
        """Keep the checksum of every tile written, and return them."""
        sums = checksums(pyramid)
        self._keep_json(_CHECKSUMS, {"tiles": sums})
        (self._folder / _BEGUN).unlink(missing_ok=True)
        return sums

    def sealed(self) -> dict[str, str] | None:
        """Return the checksums kept, None for an export that was not finished."""
        path = self._folder / _CHECKSUMS
        if not path.exists():
            return None
        try:
            sums: dict[str, str] = dict(read_json(path, schema=SCHEMA)["tiles"])
        except (VirtualIhcError, KeyError, TypeError, ValueError) as error:
            place = f"{path.parent.parent.name}/{_GROUP}/{_CHECKSUMS}"
            raise ExportError(
                f"{place} is damaged; remove it and run the translation again to make it anew."
            ) from error
        return sums

    def altered(self, pyramid: OmeZarrPyramid) -> tuple[str, ...]:
        """Return the tiles, as ``level/row/column``, that are not as they were when finished."""
        sealed = self.sealed()
        if sealed is None:
            return ()
        now = checksums(pyramid)
        return tuple(sorted(t for t in sealed.keys() | now.keys() if sealed.get(t) != now.get(t)))


def checksums(pyramid: OmeZarrPyramid) -> dict[str, str]:
    """Return 32 hexadecimal digits for each tile of each level, by ``level/row/column``.

    Tiles of level 0 never written have none; one that cannot be read has a word instead.
    """
    side, sums = pyramid.tile, {}
    for level, (height, width) in enumerate(pyramid.shapes):
        for row, col in np.ndindex(-(-height // side), -(-width // side)):
            if level or pyramid.has_tile(row, col):
                window = (level, row * side, col * side, side, side)
                sums[f"{level}/{row}/{col}"] = _checksum(pyramid, window)
    return sums


def _checksum(pyramid: OmeZarrPyramid, window: tuple[int, int, int, int, int]) -> str:
    try:
        pixels = pyramid.read(*window)
    except FOREIGN_ERRORS:
        return _UNREADABLE
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()


def digest_of(sums: dict[str, str]) -> str:
    """Return one checksum for all."""
    lines = "".join(f"{place} {value}\n" for place, value in sorted(sums.items()))
    return hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()


def require_same(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ExportError unless an output was made just as it would be made now.

    Parameters
    ----------
    name
        Of the output, for the sentence.
    found, wanted
        Provenance of the output and of the translation at hand.
    """
    if found.get("key") == wanted["key"]:
        return
    other = next((t for at, t in _NAMES.items() if _part(found, at) != _part(wanted, at)), None)
    told = f"was made from {other}" if other else "was made by another version"
    if other == "other settings":
        told += f" ({_difference(found.get('settings'), wanted['settings'])})"
    raise ExportError(f"{name} {told}; give another output or remove it.")


def _part(provenance: object, place: tuple[str, ...]) -> object:
    for name in place:
        provenance = provenance.get(name) if isinstance(provenance, dict) else None
    return provenance


def read_failures(folder: Path) -> dict[Place, str]:
    """Return the failures of an export; raises ExportError where the list is damaged."""
    try:
        return Record(folder).failures()
    except (VirtualIhcError, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{folder.name} holds a damaged list of failed tiles.") from error


def _difference(found: object, wanted: dict[str, Any]) -> str:
    """Return what differs, value by value, the first few."""
    if not isinstance(found, dict):
        return "none are stated"
    parts = list(_differing(found, wanted))
    more = f" and {len(parts) - _MOST_TOLD} more" if len(parts) > _MOST_TOLD else ""
    return ", ".join(parts[:_MOST_TOLD]) + more


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        before = found.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            yield from _differing(before, value)
        elif before != value:
            yield f"{name} {before} instead of {value}"
