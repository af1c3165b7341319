"""How the Align page finds, reads and writes registrations, away from the window; no Qt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.align.placing import Laid
    from napari_virtual_ihc.widgets.work import Progress

    Finder = Callable[[Slide, Slide, str, Progress], Registration]


def register_onto(fixed: Slide, moving: Slide, words: str, progress: Progress) -> Registration:
    """Register in a process of its own."""
    from napari_virtual_ihc.registration.apart import register_apart

    return register_apart(fixed, moving, partial(progress, words))


def load_onto(
    folder: Path, fixed: Slide, moving: Slide, words: str, progress: Progress
) -> Registration:
    """Read a registration; raises RegistrationError where it is of other slides."""
    from napari_virtual_ihc.registration.store import load

    progress(words)
    found = load(folder)
    found.require(fixed, moving)
    return found


def save_laid(laid: Laid, folder: Path) -> None:
    """Write a registration, and the pairs marked for it as CSV in px of each slide."""
    from napari_virtual_ihc.registration.landmark_files import write_landmarks
    from napari_virtual_ihc.registration.store import save

    found, pairs = laid.registration, laid.placement.marked.whole()
    save(found, folder)
    if pairs.count:
        write_landmarks(folder / "landmarks_fixed.csv", pairs.fixed / found.fixed.mpp)
        write_landmarks(folder / "landmarks_moving.csv", pairs.moving / found.moving.mpp)
