"""Between the window and a review on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.review_session import (
    RegistrationReference,
    ReviewSession,
    SlideReference,
    find,
    load,
    relative_to,
    require_same,
    save,
)
from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.widgets.layers import WARPED, path_of
from napari_virtual_ihc.widgets.review.bookmarks import present_view
from napari_virtual_ihc.widgets.review.model import NO_SLIDE, STILL_READING
from napari_virtual_ihc.widgets.review.regions import regions_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


def read(
    path: Path, known: Sequence[Slide], _progress: object
) -> tuple[ReviewSession, list[Slide]]:
    """Return a review and its slides, those that are open already as they are; reads files.

    Raises
    ------
    VirtualIhcError
        If the review cannot be read, or one of its slides is missing or another.
    """
    review = load(path)
    open_ones = {slide.fingerprint: slide for slide in known}
    slides = [
        open_ones.get(one.fingerprint) or _opened(one, find(one, path)) for one in review.slides
    ]
    return review, slides


def _opened(reference: SlideReference, path: Path) -> Slide:
    from napari_virtual_ihc.slides.open import open_slide

    slide = open_slide(path, reference.mpp)
    require_same(reference, slide.fingerprint)
    return slide


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
