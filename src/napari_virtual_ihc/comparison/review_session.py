"""A review on disk: which slides, how they lie, what was asked of which model, regions and views.

Slides are known by the fingerprint of their pixels. Names and places of files are kept only where
the user asks for it, and then relative to the review's file.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from napari_virtual_ihc.comparison.blind_read import BlindRead, View
from napari_virtual_ihc.comparison.geojson import ReviewRegion, from_geojson, to_geojson
from napari_virtual_ihc.comparison.review_layout import ReviewLayout, from_facts, to_facts
from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.provenance import stamp

SCHEMA = "virtual-ihc/review/2"
_FORMER = "virtual-ihc/review/1"
"""Without a layout."""
SHORT = 8


@dataclass(frozen=True)
class SlideReference:
    """A slide of a review.

    Attributes
    ----------
    fingerprint
        Of its pixels.
    mpp
        µm/px it was read with.
    path
        Where it lies, relative to the review's file; None where that is not kept.
    """

    fingerprint: str
    mpp: float | None
    path: str | None = None

    def __str__(self) -> str:
        """Return how the slide is called in a sentence."""
        known = PurePath(self.path).name if self.path else f"with fingerprint {self.short}…"
        return f"the slide {known}"

    @property
    def short(self) -> str:
        """The first digits of the fingerprint."""
        return self.fingerprint[:SHORT]


@dataclass(frozen=True)
class RegistrationReference:
    """Which slide lies on which, and the folder of the map, relative; None where it is not kept."""

    fixed: str
    moving: str
    folder: str | None = None


@dataclass(frozen=True)
class ReviewSession:
    """All that a review is.

    Attributes
    ----------
    slides
        In the order they were opened.
    chosen
        Fingerprint of the H&E; regions and views are in its µm.
    registration
        None where nothing was registered.
    model, settings
        Name of the model, and how it was run.
    regions, views, reads
        What was marked, kept to come back to, and read blind.
    view
        Where the window looked.
    layout
        How it looked there; None in a file of a version that did not keep it.
    """

    slides: tuple[SlideReference, ...]
    chosen: str
    registration: RegistrationReference | None = None
    model: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    regions: tuple[ReviewRegion, ...] = ()
    views: tuple[View, ...] = ()
    reads: tuple[BlindRead, ...] = ()
    view: View | None = None
    layout: ReviewLayout | None = None

    def __post_init__(self) -> None:
        """Refuse a review whose slides are not all among its slides."""
        known = {one.fingerprint for one in self.slides}
        named = {self.chosen}
        if self.registration is not None:
            named |= {self.registration.fixed, self.registration.moving}
        if not named <= known:
            raise ValueError("a slide is named that is not among its slides")

    @property
    def mpp(self) -> float:
        """µm/px of the H&E; 1 where it has no scale, so that regions are in px."""
        return next((one.mpp for one in self.slides if one.fingerprint == self.chosen), None) or 1.0


def relative_to(path: Path, review: Path) -> str:
    """Return how a file is referred to from the review's file, with forward slashes.

    Raises
    ------
    ReviewError
        Where there is no way from the one to the other, as between two drives.
    """
    try:
        found = os.path.relpath(path.resolve(), review.resolve().parent)
    except ValueError as error:
        raise ReviewError(f"{path.name} lies on another drive than the review.") from error
    return Path(found).as_posix()


def find(reference: SlideReference, review: Path) -> Path:
    """Return where the file of a slide is.

    Raises
    ------
    ReviewError
        Where that was not kept, or no file is there.
    """
    if reference.path is None:
        raise ReviewError(
            f"The review needs {reference}, whose place was not kept: open that slide first, "
            "then the review."
        )
    path = review.parent / reference.path
    if not path.exists():
        raise ReviewError(
            f"The review needs {reference}, which is not at {reference.path} beside it: open that "
            "slide first, then the review."
        )
    return path


def require_same(reference: SlideReference, fingerprint: str) -> None:
    """Raise ReviewError where a slide is another than the review was made on."""
    if fingerprint != reference.fingerprint:
        raise ReviewError(
            f"T{str(reference)[1:]} has changed since the review was saved (fingerprint "
            f"{fingerprint[:SHORT]}…, was {reference.short}…); the review is not opened on it."
        )


def require_scale(reference: SlideReference, mpp: float | None) -> None:
    """Raise ReviewError where an open slide has another scale than the review was made at."""
    if mpp != reference.mpp:
        raise ReviewError(
            f"T{str(reference)[1:]} is open at {mpp or 'no'} µm/px, but the review was made at "
            f"{reference.mpp or 'no'} µm/px: close it, or give it that scale, then open the review."
        )


def save(review: ReviewSession, path: Path) -> None:
    """Write a review; raises ReviewError where the file cannot be written."""
    facts = {
        "slides": [asdict(slide) for slide in review.slides],
        "chosen": review.chosen,
        "registration": None if review.registration is None else asdict(review.registration),
        "model": review.model,
        "settings": review.settings,
        "regions": to_geojson(review.regions, review.mpp),
        "views": [asdict(view) for view in review.views],
        "view": None if review.view is None else asdict(review.view),
        "reads": [asdict(read) for read in review.reads],
        "layout": None if review.layout is None else to_facts(review.layout),
    }
    try:
        write_json(path, stamp(SCHEMA, "review") | facts)
    except (OSError, ValueError) as error:
        raise ReviewError(f"{path.name} cannot be written: {error}.") from error


def load(path: Path) -> ReviewSession:
    """Read what :func:`save` wrote.

    Raises
    ------
    VirtualIhcError
        Where the file is missing or no JSON.
    ReviewError
        Where it is of another schema, or an entry is missing or wrong.
    """
    facts = read_json(path)
    if facts.get("schema") not in (SCHEMA, _FORMER):
        raise ReviewError(
            f"{path.name} has schema {facts.get('schema')!r}, this version reads {SCHEMA!r}."
        )
    try:
        return _review(facts, path.name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ReviewError(f"{path.name} is damaged: {error}.") from error


def _review(facts: dict[str, Any], source: str) -> ReviewSession:
    slides = tuple(SlideReference(**one) for one in facts["slides"])
    plain = ReviewSession(slides, str(facts["chosen"]))
    former = facts["schema"] == _FORMER
    return ReviewSession(
        slides,
        plain.chosen,
        _registration(facts["registration"]),
        str(facts["model"]),
        {str(name): str(value) for name, value in facts["settings"].items()},
        from_geojson(facts["regions"], plain.mpp, source).regions,
        tuple(_view(one) for one in facts["views"]),
        tuple(_read(one) for one in facts["reads"]),
        None if facts["view"] is None else _view(facts["view"]),
        None if former or facts["layout"] is None else from_facts(facts["layout"]),
    )


def _registration(facts: dict[str, Any] | None) -> RegistrationReference | None:
    return None if facts is None else RegistrationReference(**facts)


def _view(facts: dict[str, Any]) -> View:
    view = View(**facts)
    places = view.y_um, view.x_um, view.rotation_degrees, view.magnification
    if not all(math.isfinite(value) for value in places) or view.magnification <= 0:
        raise ValueError(f"{places!r} are no place to look at")
    return view


def _read(facts: dict[str, Any]) -> BlindRead:
    return BlindRead(**{**facts, "view": _view(facts["view"])})
