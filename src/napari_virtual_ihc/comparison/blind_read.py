"""Blind reads: a score given before the virtual stain was seen, and when it was seen."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.files import atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class View:
    """Where someone looked.

    Attributes
    ----------
    y_um, x_um
        Centre of the view in µm of the slide.
    magnification
        10 is 1 µm per screen pixel.
    rotation_degrees
        Clockwise.
    slide
        Fingerprint of the slide.
    note
        Free words.
    """

    y_um: float
    x_um: float
    magnification: float
    rotation_degrees: float
    slide: str
    note: str = ""


@dataclass(frozen=True)
class BlindRead:
    """One region read; times are ISO 8601 in UTC, empty for what did not happen.

    Attributes
    ----------
    region, classification
        What was read, by the name and class of the region.
    view
        How it was looked at when the score was given, or the stain revealed without one.
    score, note
        As the reader gave them; the score is empty where the stain was revealed without one.
    model, marker
        Whose virtual stain was hidden.
    reader
        Initials, may be empty.
    begun_utc, scored_utc, revealed_utc
        When the stain was hidden, the score recorded, the stain shown.
    """

    region: str
    classification: str
    view: View
    score: str
    note: str
    model: str
    marker: str
    reader: str
    begun_utc: str
    scored_utc: str
    revealed_utc: str = ""

    def revealed(self, when: str) -> BlindRead:
        """Return the read with the time at which the stain was shown."""
        return replace(self, revealed_utc=when)

    def row(self) -> dict[str, object]:
        """Return the columns of the table."""
        facts = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "view"}
        return {**facts, **{f"view_{name}": value for name, value in asdict(self.view).items()}}


def now_utc() -> str:
    """Return the present second as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_csv(reads: Sequence[BlindRead]) -> str:
    """Return reads as CSV, one line each under a line of names.

    Cells that a spreadsheet would take for a formula are quoted as text.
    """
    out = io.StringIO()
    names = [*_EMPTY.row()]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for read in reads:
        writer.writerow({name: _plain(value) for name, value in read.row().items()})
    return out.getvalue()


def write_csv(path: Path, reads: Sequence[BlindRead]) -> None:
    """Write reads as CSV in UTF-8; raises ReviewError where the file cannot be written."""
    try:
        atomic_write_bytes(path, to_csv(reads).encode("utf-8-sig"))
    except OSError as error:
        raise ReviewError(f"{path.name} cannot be written: {error}.") from error


def _plain(value: object) -> object:
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value


_EMPTY = BlindRead("", "", View(0, 0, 0, 0, ""), "", "", "", "", "", "", "")
