"""Between the window and a review on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.review_session import (
    RegistrationReference,
    ReviewSession,
    SlideReference,
    find,
    load,
    relative_to,
    require_same,
    require_scale,
    save,
)
from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.widgets.areas import regions_in
from napari_virtual_ihc.widgets.compare.map_model import BETWEEN, titles
from napari_virtual_ihc.widgets.layers import WARPED, path_of
from napari_virtual_ihc.widgets.review.bookmarks import present_view
from napari_virtual_ihc.widgets.review.layout import present_layout
from napari_virtual_ihc.widgets.review.model import NO_SLIDE, STILL_READING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_virtual_ihc.comparison.review_layout import ReviewLayout
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.review.model import ReviewState
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

_FOLDER = ".registration"


def gather(session: Session, state: ReviewState, path: Path, *, with_places: bool) -> ReviewSession:
    """Return what the window holds, to be written to ``path``.

    Parameters
    ----------
    with_places
        Whether to keep where the files of the slides lie, relative to ``path``.

    Raises
    ------
    ReviewError
        If there is no slide, or one is not read yet.
    """
    entries = [entry for entry in session.slides() if not _is_warped(entry)]
    if session.chosen is None or session.chosen not in entries:
        raise ReviewError(NO_SLIDE)
    if any(entry.facts is None for entry in entries):
        raise ReviewError(STILL_READING)
    chosen = session.chosen.slide.fingerprint
    return ReviewSession(
        tuple(_reference(entry, path if with_places else None) for entry in entries),
        chosen,
        _registration(session, path),
        session.translating.get("model", ""),
        {name: value for name, value in session.translating.items() if name != "model"},
        regions_in(session.viewer),
        state.views,
        state.reads,
        present_view(session.viewer, chosen),
        present_layout(session),
    )


def write(
    review: ReviewSession, registration: Registration | None, path: Path, _progress: object
) -> Path:
    """Write a review, and the registration in a folder beside it; raises ReviewError."""
    from napari_virtual_ihc.registration import store

    if registration is not None:
        try:
            store.save(registration, path.with_suffix(_FOLDER))
        except OSError as error:
            raise ReviewError(f"The registration cannot be written: {error}.") from error
    save(review, path)
    return path


@dataclass(frozen=True)
class ReadSlide:
    """A slide of a review, and its file where the review says where that is."""

    slide: Slide
    path: Path | None


@dataclass(frozen=True)
class Read:
    """A review that was read from ``path``, with its slides in their order."""

    path: Path
    review: ReviewSession
    slides: tuple[ReadSlide, ...]


def read(path: Path, known: Sequence[Slide], _progress: object) -> Read:
    """Return a review and its slides, those that are open already as they are; reads files.

    Raises
    ------
    VirtualIhcError
        If the review cannot be read, or one of its slides is missing or another.
    """
    review = load(path)
    if review.layout is not None:
        _require_known(review.layout, path)
    open_ones = {slide.fingerprint: slide for slide in known}
    slides = [_slide(one, path, open_ones.get(one.fingerprint)) for one in review.slides]
    return Read(path, review, tuple(slides))


def _slide(reference: SlideReference, review: Path, known: Slide | None) -> ReadSlide:
    from napari_virtual_ihc.slides.open import open_slide

    if known is not None:
        require_scale(reference, known.mpp)
        return ReadSlide(known, None)
    path = find(reference, review)
    slide = open_slide(path, reference.mpp)
    require_same(reference, slide.fingerprint)
    return ReadSlide(slide, path)


def _require_known(layout: ReviewLayout, path: Path) -> None:
    """Raise ReviewError where a layout speaks of maps or displays that there are not."""
    from napari.layers import Image

    maps = dict(titles())
    for layer in layout.layers():
        if layer.between and not (layer.name in maps and layer.between in BETWEEN):
            raise ReviewError(f"{path.name} is damaged: there is no map {layer.name!r}.")
    for display in layout.displays:
        words = {"blending": display.blending, "interpolation2d": display.interpolation2d}
        try:
            Image(np.zeros((2, 2)), **words)
        except ValueError as error:
            raise ReviewError(f"{path.name} is damaged: {error}.") from error


def _reference(entry: SlideEntry, review: Path | None) -> SlideReference:
    layer = entry.layer()
    path = None if layer is None or review is None else path_of(layer)
    place = None if path is None or review is None else relative_to(path, review)
    return SlideReference(entry.slide.fingerprint, entry.slide.mpp, place)


def _registration(session: Session, path: Path) -> RegistrationReference | None:
    aligned = session.aligned
    if aligned is None:
        return None
    fixed, moving = aligned.registration.fixed, aligned.registration.moving
    folder = path.with_suffix(_FOLDER).name
    return RegistrationReference(fixed.fingerprint, moving.fingerprint, folder)


def _is_warped(entry: SlideEntry) -> bool:
    layer = entry.layer()
    return layer is not None and WARPED in layer.metadata
