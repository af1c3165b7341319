"""Every key in one table; none of them is a key of napari's own viewer.

A key of the active layer goes first: on labels, Ctrl+Z undoes the last stroke, as napari has it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.camera import (
    PRESETS,
    current_magnification,
    next_preset,
    set_magnification,
    turn_by,
)
from napari_virtual_ihc.widgets.views.mixing_model import Way
from napari_virtual_ihc.widgets.virtual import hide_virtual, show_again, toggle_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel

    from napari_virtual_ihc.widgets.session import Session


UNDO, REDO, DISAGREEMENT = "Ctrl+Z", "Ctrl+Shift+Z", "Shift+D"


@dataclass(frozen=True)
class Key:
    """One key: how napari writes it, what it does in a few words, and the action."""

    key: str
    what: str
    action: Callable[[Session], object]


def _magnify(preset: int) -> Callable[[Session], None]:
    def action(session: Session) -> None:
        set_magnification(session.viewer, preset)

    return action


def _step(step: int) -> Callable[[Session], None]:
    def action(session: Session) -> None:
        viewer = session.viewer
        set_magnification(viewer, next_preset(current_magnification(viewer), step))

    return action


def _hold_real(session: Session) -> Callable[[], None]:
    """Hide what is virtual; napari calls the returned function when the key is let go."""
    viewers = session.panes.viewers()
    return partial(show_again, [layer for viewer in viewers for layer in hide_virtual(viewer)])


def _hold_other(session: Session) -> Callable[[], None]:
    """Show the other of two layers until the key is let go."""
    return session.mixing.hold_other()


def _swap(session: Session) -> None:
    session.panes.swap()
    session.mixing.swap()


KEYS: tuple[Key, ...] = (
    *(
        Key(f"Ctrl+{number}", f"{preset}× magnification", _magnify(preset))
        for number, preset in enumerate(PRESETS, start=1)
    ),
    Key(".", "next higher magnification", _step(1)),
    Key(",", "next lower magnification", _step(-1)),
    Key("H", "hold: see the H&E alone", _hold_real),
    Key("U", "show or hide the virtual stain", lambda session: toggle_virtual(session.viewer)),
    Key("N", "show or hide the overview", lambda session: session.panes.toggle_overviews()),
    Key("J", "side by side, or one picture again", lambda session: session.panes.toggle()),
    Key("G", "curtain between two layers", lambda session: session.mixing.toggle(Way.CURTAIN)),
    Key("Shift+G", "checkerboard", lambda session: session.mixing.toggle(Way.CHECKERBOARD)),
    Key("Q", "hold: the other of two layers", _hold_other),
    Key("Shift+Right", "turn the view a quarter", lambda session: turn_by(session.viewer, 90)),
    Key("Shift+Left", "turn it a quarter back", lambda session: turn_by(session.viewer, -90)),
    Key("Shift+J", "let two layers change sides", _swap),
    Key("Shift+K", "keep this view", lambda session: session.ask_for_bookmark(0)),
    Key("Shift+Down", "next view kept", lambda session: session.ask_for_bookmark(1)),
    Key("Shift+Up", "view kept before", lambda session: session.ask_for_bookmark(-1)),
    Key(DISAGREEMENT, "next disagreement", lambda session: session.ask_for_disagreement()),
    Key(UNDO, "undo, on the Align page", lambda session: session.ask_for_undo(1)),
    Key(REDO, "redo, on the Align page", lambda session: session.ask_for_undo(-1)),
    Key("W", "live translation on or off", lambda session: session.ask_for_live()),
    Key("K", "translate the view as a region", lambda session: session.ask_for_region()),
)


def bind_keys(session: Session, viewer: ViewerModel) -> None:
    """Bind the whole table to the session's viewer, or to that of one of its panes."""
    for key in KEYS:
        viewer.bind_key(key.key, _bound(session, key.action), overwrite=True)


def keys_table() -> str:
    """Return the table as Markdown, for the README and the help text."""
    rows = "\n".join(f"| `{key.key}` | {key.what} |" for key in KEYS)
    return f"| key | what it does |\n|---|---|\n{rows}\n"


def _bound(session: Session, action: Callable[[Session], object]) -> Callable[..., object]:
    known = weakref.ref(session)

    def press(viewer: ViewerModel) -> object:
        alive = known()
        return None if alive is None else action(alive)

    return press
