"""What a comparison was made from: virtual and real pixels, who judged, and the registration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.registration.warp import WarpedSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

    Facts = Mapping[str, Any]

NO_MODEL = "The virtual slide's file does not say which model made it."
SAME = "Virtual and real are the same picture."
OTHER_HE = "The virtual IHC was made from another slide than the H&E."


def require_real(name: str, stated: Facts, hint: str = "") -> None:
    """Refuse a slide whose file states that a model made it.

    Parameters
    ----------
    name
        Of the slide, for the sentence.
    stated
        See `slides.stated.stated`.
    hint
        A sentence for who meant another slide.

    Raises
    ------
    UsageError
        Naming slide and model.
    """
    if stated.get("virtual"):
        model = _part(stated, "model").get("name", "unknown")
        raise UsageError(
            f"{name} is a virtual IHC, made by model {model}; it cannot stand for a real slide. "
            f"{hint}".rstrip()
        )


def of_model(stated: Facts) -> dict[str, Any]:
    """Return what a file states of the model that made it, nothing where no model did."""
    return dict(stated) if stated.get("virtual") else {}


def marker_of(stated: Facts) -> str:
    """Return the marker that a virtual slide's file states, nothing where it states none."""
    return str(_part(stated, "model").get("marker", ""))


def banner_of(stated: Facts, marker: str) -> str:
    """Return what is burned into a picture of virtual pixels."""
    words = " ".join(filter(None, ("VIRTUAL", marker or marker_of(stated) or "IHC")))
    model = _part(stated, "model").get("name")
    return f"{words} · {model}" if model else words


def made_from(
    virtual: Facts, scanned: str, laid: Slide, he: str | None, marker: str = ""
) -> dict[str, Any]:
    """Return what a comparison was made from, and when, as JSON values without a file's name.

    Parameters
    ----------
    virtual
        What the file or layer of virtual pixels states.
    scanned
        Fingerprint of the real IHC as it was scanned.
    laid
        The real IHC on the virtual one's grid.
    he
        Fingerprint of the H&E that judged what is comparable, None where the virtual IHC did.
    marker
        What the IHC shows, where that was said.
    """
    return {
        "marker": marker or marker_of(virtual) or None,
        "virtual": dict(virtual),
        "real": scanned,
        "he": he,
        "comparable_by": "virtual and real IHC" if he is None else "H&E and real IHC",
        "registration": registration_facts(laid),
        "notes": notes_of(virtual, scanned, he),
        "made_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def registration_facts(real: Slide) -> dict[str, Any] | None:
    """Return what is known of how the real slide was laid on, None where it was not registered."""
    source = real.source
    if not isinstance(source, WarpedSource):
        return None
    found = source.registration
    return {
        "map": real.fingerprint,
        "stage": found.stage,
        "squares_agreeing": found.agreeing,
        **_landmark_facts(found),
    }


def notes_of(virtual: Facts, scanned: str, he: str | None) -> list[str]:
    """Return what a reader must know of the virtual pixels, as sentences.

    Parameters
    ----------
    virtual
        What their file or layer states.
    scanned
        Fingerprint of the real IHC.
    he
        Fingerprint of the H&E, None where it is not known.
    """
    source = _part(virtual, "slide").get("fingerprint")
    told = (
        (NO_MODEL, not virtual.get("model")),
        (OTHER_HE, bool(he and source and he != source)),
        (SAME, virtual.get("fingerprint") == scanned),
    )
    return [note for note, holds in told if holds]


def _landmark_facts(found: Registration) -> dict[str, Any]:
    """Return the error of marked pairs by maps made without each, over the moving diagonal."""
    placement = found.placement
    errors = [] if placement is None else [e for e in placement.errors() if np.isfinite(e)]
    if not errors:
        return {"rtre_median": None, "pairs": 0}
    diagonal = float(np.hypot(*found.moving.shape)) * found.moving.mpp
    return {"rtre_median": float(np.median(errors)) / diagonal, "pairs": len(errors)}


def _part(facts: Facts, name: str) -> dict[str, Any]:
    """Return an entry that has entries, empty where it has none."""
    found = facts.get(name)
    return found if isinstance(found, dict) else {}
