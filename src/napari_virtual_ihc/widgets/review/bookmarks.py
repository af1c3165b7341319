"""Views worth coming back to: where, how large, how turned, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.blind_read import View
from napari_virtual_ihc.widgets.camera import (
    current_magnification,
    look_at,
    set_turn,
    turn_of,
    view_centre,
)
from napari_virtual_ihc.widgets.translate.model import magnification_text

if TYPE_CHECKING:
    from napari.components import ViewerModel

_DIGITS = 3
_LONGEST = 40


def present_view(viewer: ViewerModel, slide: str, note: str = "") -> View:
    """Return where the viewer looks now on the slide of this fingerprint."""
    y, x = (round(value, _DIGITS) for value in view_centre(viewer))
    magnification = round(current_magnification(viewer), _DIGITS)
    return View(y, x, magnification, turn_of(viewer), slide, note)


def go_to(viewer: ViewerModel, view: View) -> None:
    """Look there again."""
    set_turn(viewer, view.rotation_degrees)
    look_at(viewer, view.y_um, view.x_um, view.magnification)


def title(view: View, number: int) -> str:
    """Return a line for a list of views, ``number`` counted from 1."""
    note = short(view.note)
    turned = f", {view.rotation_degrees:.0f}°" if view.rotation_degrees else ""
    where = f"{view.y_um / 1000:.2f}, {view.x_um / 1000:.2f} mm"
    words = f"{magnification_text(view.magnification)}{turned} at {where}"
    return f"{number}  {note} ({words})" if note else f"{number}  {words}"


def short(note: str) -> str:
    """Return a note that fits into a line."""
    return note if len(note) <= _LONGEST else f"{note[:_LONGEST].rstrip()}…"


def step(count: int, index: int, by: int) -> int:
    """Return the index of the next view (``by`` 1) or the one before (-1), around the end."""
    if not count:
        return -1
    return (index + by) % count if index >= 0 else (0 if by > 0 else count - 1)


def with_note(view: View, note: str) -> View:
    """Return the view with another note."""
    return replace(view, note=note)
