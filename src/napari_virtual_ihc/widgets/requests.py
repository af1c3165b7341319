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

    def ask_for_bookmark(self, by: int) -> None:
        """Tell the page that the user wants the next view (1), the one before, or to keep this."""
        self.bookmark_requested.emit(by)
