"""The dock: a head that is always there, and pages under it; each page also opens alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.header import Header
from napari_virtual_ihc.widgets.keys_dialog import show_keys
from napari_virtual_ihc.widgets.look import CHOSEN, row, tool_button
from napari_virtual_ihc.widgets.review.controller import ReviewController
from napari_virtual_ihc.widgets.session import Session, session_of
from napari_virtual_ihc.widgets.train.controller import TrainController
from napari_virtual_ihc.widgets.translate.controller import TranslateController

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.viewer import Viewer

_SCROLL_BAR, _FEW_ROWS = 18, 160


class Page(Protocol):
    """A page of the dock: a widget, and a way to stop what it does."""

    title: str
    view: QWidget

    def close(self) -> None:
        """Stop; called when the dock is closed."""
        ...


PAGES: tuple[Callable[[Session], Page], ...] = (
    TranslateController,
    AlignController,
    CompareController,
    ReviewController,
    TrainController,
)
"""What makes the pages, in the order of the dock."""


class Dock(QWidget):
    """Header and pages over one viewer.

    Parameters
    ----------
    viewer
        As napari gives it to a plug-in.
    makers
        What makes the pages; with only one there is no choice to show.
    """

    def __init__(self, viewer: Viewer, makers: Sequence[Callable[[Session], Page]]) -> None:
        super().__init__()
        session = session_of(viewer)
        layout = QVBoxLayout(self)
        self._pages: list[Page] = []
        self._docked = False
        if session is None:
            layout.addWidget(QLabel("This viewer has no window to work in."))
            return
        self.header = Header(session)
        self._pages = [maker(session) for maker in makers]
        self._choice = QButtonGroup(self)
        self.stack = QStackedWidget()
        self.stack.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        for page in self._pages:
            self.stack.addWidget(_Scrolling(page.view))
        layout.addWidget(self.header)
        if len(self._pages) > 1:
            layout.addWidget(self._chooser())
        layout.addWidget(self.stack)
        session.blinded.connect(self._on_blinded)
        if session.blind:
            self._on_blinded(True)
        self.destroyed.connect(partial(_close_pages, self._pages))

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages, in order."""
        return tuple(self._pages)

    def show_page(self, title: str) -> None:
        """Turn to the page of this title."""
        for index, page in enumerate(self._pages):
            if page.title == title:
                self._choice.button(index).setChecked(True)
                self.stack.setCurrentIndex(index)

    def event(self, event: QEvent | None) -> bool:
        """Close the pages when napari takes the widget out of its dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                _close_pages(self._pages)
        return bool(super().event(event))

    def _on_blinded(self, on: bool) -> None:
        """Leave no page open that speaks of virtual pixels while they must not be seen."""
        if on:
            self.show_page(ReviewController.title)
        for index, page in enumerate(self._pages):
            allowed = not on or isinstance(page, ReviewController)
            if len(self._pages) > 1:
                self._choice.button(index).setEnabled(allowed)
            page.view.setVisible(allowed)

    def _chooser(self) -> QWidget:
        buttons = [tool_button(page.title, f"{page.title} page") for page in self._pages]
        for index, button in enumerate(buttons):
            button.setCheckable(True)
            button.setStyleSheet(CHOSEN)
            self._choice.addButton(button, index)
        buttons[0].setChecked(True)
        self._choice.idClicked.connect(self.stack.setCurrentIndex)
        keys = tool_button("?", "Every key and what it does", lambda: show_keys(self))
        return row(*buttons, 1, keys)


class VirtualIhcDock(Dock):
    """The whole dock, with every page."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, PAGES)


class TranslateDock(Dock):
    """The Translate page alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, (TranslateController,))


class AlignDock(Dock):
    """The Align page alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, (AlignController,))


class CompareDock(Dock):
    """The Compare page alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, (CompareController,))


class ReviewDock(Dock):
    """The Review page alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, (ReviewController,))


class TrainDock(Dock):
    """The Train page alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, (TrainController,))


class _Scrolling(QScrollArea):
    """Scrolls up and down, and is always as wide as what it holds."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self.setWidget(widget)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content and the height of a few rows."""
        held = self.widget()
        width = 0 if held is None else held.minimumSizeHint().width()
        return QSize(width + _SCROLL_BAR, _FEW_ROWS)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask for room when the content has come to need more."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def _close_pages(pages: list[Page], *_: object) -> None:
    while pages:
        pages.pop().close()
