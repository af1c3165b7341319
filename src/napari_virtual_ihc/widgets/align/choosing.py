"""Which slide is laid onto which: the H&E of the window, and one of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.align.model import AlignState
    from napari_virtual_ihc.widgets.align.placing import Pair
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


class PairChoice(QObject):
    """Keeps the chosen pair; the page's list of slides is written here only.

    Parameters
    ----------
    session, state
        The window, and the page's state.
    """

    changed = Signal()
    """The slides of the window, or which of them are meant, may be others than before."""

    def __init__(self, session: Session, state: AlignState) -> None:
        super().__init__()
        self._session, self._state = session, state
        self._moving: SlideEntry | None = None
        session.slides_changed.connect(self.look)
        session.slide_chosen.connect(self.look)

    @property
    def pair(self) -> Pair | None:
        """The H&E and the slide to lay onto it, where there are two."""
        fixed, moving = self._session.chosen, self._moving
        return None if fixed is None or moving is None else (fixed, moving)

    def scaled(self) -> Pair | None:
        """Return the pair; None, and a sentence on the page, where one has no scale."""
        pair = self.pair or ()
        sentences = (entry.scale.missing("above") for entry in pair)
        asked = next(filter(None, sentences), "")
        self._state.error, self._state.notice = asked, ""
        return None if asked else self.pair

    def give_scale(self, mpp: float) -> None:
        """Take µm/px for the slide to lay onto the H&E."""
        if self._moving is not None:
            self._session.set_scale(self._moving, mpp)
            self._state.error = ""

    def choose(self, index: int) -> None:
        """Take the slide at ``index`` of the page's list."""
        self._moving = self._others()[index]
        self.look()

    def take(self, moving: SlideEntry) -> bool:
        """Take this slide; return whether it can be laid onto the H&E."""
        others = self._others()
        if moving in others:
            self.choose(others.index(moving))
        return moving in others

    def look(self) -> None:
        """See which slides there are now."""
        others, chosen = self._others(), self._session.chosen
        if self._moving not in others:
            self._moving = others[0] if others else None
        with self._state.events.paused():
            self._state.fixed = "" if chosen is None else chosen.name
            self._state.others = tuple(entry.name for entry in others)
            self._state.moving = -1 if self._moving is None else others.index(self._moving)
            self._state.moving_scale = None if self._moving is None else self._moving.scale
        self.changed.emit()

    def _others(self) -> list[SlideEntry]:
        return [entry for entry in self._session.originals() if entry is not self._session.chosen]
