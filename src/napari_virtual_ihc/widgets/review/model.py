"""What the Review page shows, without Qt: its state and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.comparison.blind_read import BlindRead, View
    from napari_virtual_ihc.comparison.review_layout import LayerName

NO_STAIN = "There is no virtual stain to hide: switch Live on, on the Translate page, then begin."
NO_SLIDE = "Open an H&E slide first; views, regions and reads are kept on it."
STILL_READING = "A slide is still being read: wait until it is shown, then try again."
OTHER_SLIDE = "This view is of a slide that is not open in this window: open it first."
NO_SCORE = "There is no score yet: type one, then record it."
OUT_OF_VIEW = "The slide is out of view: look at what you score, then record the score."
IN_VIEW = "what is in view"


@dataclass
class ReviewState:
    """One field for each thing on the page; ``events`` tells of every change.

    Attributes
    ----------
    views
        The views kept.
    current
        Index of the one gone to last, -1 for none.
    regions
        Names of the regions that can be read blind; the first is what is in view.
    reads
        The blind reads of this review.
    blind
        Whether the virtual stain is hidden for a read.
    activity, error, notice
        What is going on, what failed, what was done.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    views: tuple[View, ...] = ()
    current: int = -1
    regions: tuple[str, ...] = (IN_VIEW,)
    reads: tuple[BlindRead, ...] = ()
    blind: bool = False
    activity: str = ""
    error: str = ""
    notice: str = ""


def opened_lines(name: str, missing: Sequence[LayerName]) -> tuple[str, str]:
    """Return that a review was opened, and in one sentence what of it is not shown again."""
    if not missing:
        return f"Opened: {name}", ""
    words = ", ".join(str(layer) for layer in missing)
    return f"Opened: {name}", (
        f"Not shown again: {words} (its page says why, or is not open). All else was opened."
    )


def reads_line(state: ReviewState) -> str:
    """Return how many reads there are, and how many wait to be revealed."""
    open_reads = sum(not read.revealed_utc for read in state.reads)
    if not state.reads:
        return "The virtual stain is hidden: record a score." if state.blind else ""
    waiting = f", {open_reads} not revealed yet" if open_reads else ""
    return f"{counted(len(state.reads), 'read')} recorded{waiting}."


def counted(number: int, what: str) -> str:
    """Return so many of something, such as ``"1 read"`` or ``"2 reads"``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def read_line(new: int, there: int, outside: int) -> str:
    """Return how many regions were read; how many were there already, or lie beyond the slide."""
    told = f"{counted(new, 'region')} read."
    if there:
        told += f" {there} {'was' if there == 1 else 'were'} there already."
    if outside:
        told += f" {outside} {'lies' if outside == 1 else 'lie'} outside the slide."
    return told


def skipped_line(skipped: dict[str, int]) -> str:
    """Return what of a file was no region."""
    kinds = ", ".join(f"{count} × {kind}" for kind, count in skipped.items())
    return f" Not areas, so left out: {kinds}." if kinds else ""
