"""What the user wants of pages that may not be open: keys ask, pages listen."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal


class Requests(QObject):
    """The signals of a window by which one part of it asks another."""

    live_toggled = Signal()
    region_requested = Signal()
    lay_requested = Signal(object, object)
    """A folder with a registration of the chosen slide, and the slide to be laid onto it."""
    translation_requested = Signal(object)
    """A model and its settings, named as the Translate page names them."""
    map_requested = Signal(str, str)
    """A map by its name, and between what, named as the Compare page names both."""
    bookmark_requested = Signal(int)
    """The next view that was kept (1) or the one before (-1); 0 keeps the present one."""
    undo_requested = Signal(int)
    """One step back (1) on the page in view, or one that was taken back again (-1)."""
    disagreement_requested = Signal()
    """The next place where virtual and real differ most."""
    blinded = Signal(bool)
    """Virtual pixels must not be seen from now on, or may be seen again."""

    blind = False
    """Whether virtual pixels must not be seen now; see :attr:`blinded`."""

    def set_blind(self, on: bool) -> None:
        """Let virtual pixels not be seen from now on, or be seen again."""
        self.blind = on
        self.blinded.emit(on)

    def ask_for_live(self) -> None:
        """Tell the page that the user wants live translation switched."""
        self.live_toggled.emit()

    def ask_for_region(self) -> None:
        """Tell the page that the user wants the view translated as a region."""
        self.region_requested.emit()

    def ask_for_undo(self, by: int) -> None:
        """Tell the page in view that the user wants a step undone (1), or done again (-1)."""
        self.undo_requested.emit(by)

    def ask_for_disagreement(self) -> None:
        """Tell the page that the user wants to see the next place of disagreement."""
        self.disagreement_requested.emit()

    def ask_for_bookmark(self, by: int) -> None:
        """Tell the page that the user wants the next view (1), the one before, or to keep this."""
        self.bookmark_requested.emit(by)
