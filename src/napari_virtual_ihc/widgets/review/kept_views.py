"""What is done with views that are kept: keeping, going back, a note, dropping one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.widgets.review.bookmarks import go_to, present_view, step, with_note
from napari_virtual_ihc.widgets.review.model import NO_SLIDE, OTHER_SLIDE, STILL_READING

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.blind_read import View
    from napari_virtual_ihc.widgets.review.model import ReviewState
    from napari_virtual_ihc.widgets.session import Session


class KeptViews(QObject):
    """Keeps the views of a review.

    Parameters
    ----------
    session
        The window.
    state
        Of the page; its ``views`` and ``current`` are written here.
    """

    def __init__(self, session: Session, state: ReviewState) -> None:
        super().__init__()
        self._session, self._state = session, state

    def keep(self, note: str = "") -> None:
        """Keep the present view, to come back to."""
        chosen = self._session.chosen
        if chosen is None or chosen.facts is None:
            self._state.error = NO_SLIDE if chosen is None else STILL_READING
            return
        view = present_view(self._session.viewer, chosen.slide.fingerprint, note)
        with self._state.events.paused():
            self._state.error = ""
            self._state.views = (*self._state.views, view)
            self._state.current = len(self._state.views) - 1

    def go(self, index: int) -> None:
        """Look at a view again, on the slide that it is of."""
        if 0 <= index < len(self._state.views):
            view = self._state.views[index]
            self._state.current = index
            self._state.error = "" if self._turn_to_slide(view) else OTHER_SLIDE
            if not self._state.error:
                go_to(self._session.viewer, view)

    def remove(self) -> None:
        """Keep the current view no more."""
        views, current = list(self._state.views), self._state.current
        if 0 <= current < len(views):
            del views[current]
            with self._state.events.paused():
                self._state.views = tuple(views)
                self._state.current = min(current, len(views) - 1)

    def set_note(self, note: str) -> None:
        """Give the current view another note."""
        views, current = list(self._state.views), self._state.current
        if 0 <= current < len(views) and views[current].note != note:
            views[current] = with_note(views[current], note)
            self._state.views = tuple(views)

    def on_bookmark(self, by: int) -> None:
        """Keep the present view (``by`` 0), or go to the next (1) or the one before (-1)."""
        if by:
            self.go(step(len(self._state.views), self._state.current, by))
        else:
            self.keep()

    def _turn_to_slide(self, view: View) -> bool:
        """Work on the slide of a view; tell whether it is open."""
        entries = [one for one in self._session.slides() if one.facts is not None]
        of_view = [one for one in entries if one.slide.fingerprint == view.slide]
        if of_view and self._session.chosen not in of_view:
            self._session.choose(of_view[0])
        return bool(of_view)
