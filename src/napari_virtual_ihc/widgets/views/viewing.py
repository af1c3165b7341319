"""The buttons of how to look: one picture, several side by side, or two layers in one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QSpinBox, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.camera import set_turn, turn_by, turn_of
from napari_virtual_ihc.widgets.look import CHOSEN, row, tool_button
from napari_virtual_ihc.widgets.views.mixing_model import TIPS, Way
from napari_virtual_ihc.widgets.views.tiling import MOST

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session

_TURN_PX = 62
_GRID_TIP = "Three or four pictures in two rows; off: all in one row"


class ViewingBox(QWidget):
    """Says how the layers of a window are seen, and lets it be changed.

    Parameters
    ----------
    session
        The window.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._panes, self._mixing = session.panes, session.mixing
        self.one = tool_button("one", "One picture (J)", self._show_one)
        self.side = tool_button("panes", "Two linked pictures (J)", self._show_side)
        self.more = tool_button("+", "One picture more", self._show_more)
        self.grid = tool_button("2 × 2", _GRID_TIP, self._switch_grid)
        self.ways = {
            way: tool_button(way.value, TIPS[way], partial(self._show, way)) for way in Way
        }
        self.turn = _turn_box()
        self._lay_out()
        self._panes.changed.connect(self.show_state)
        self._mixing.changed.connect(self.show_state)
        session.camera_moved.connect(self._show_turn)
        self.turn.valueChanged.connect(self._on_turned)
        self.show_state()

    def show_state(self) -> None:
        """Show which way of looking is on."""
        count = 1 + len(self._panes.all())
        self.one.setChecked(count == 1 and self._mixing.way is None)
        for way, button in self.ways.items():
            button.setChecked(way is self._mixing.way)
        self.side.setChecked(count > 1)
        self.more.setEnabled(1 < count < MOST)
        self.grid.setEnabled(count > 2)
        self.grid.setChecked(count > 2 and self._panes.grid)

    def _lay_out(self) -> None:
        for button in (self.one, self.side, self.grid, *self.ways.values()):
            button.setCheckable(True)
            button.setStyleSheet(CHOSEN)
        turn = (
            tool_button("⟲", "Turn the view a quarter anticlockwise (Shift+←)", self._turn_back),
            self.turn,
            tool_button("⟳", "Turn the view a quarter clockwise (Shift+→)", self._turn_on),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(row(self.one, self.side, self.more, self.grid, 1, *turn))
        layout.addWidget(row(*self.ways.values(), 1))

    def _show(self, way: Way) -> None:
        self._mixing.toggle(way)
        self.show_state()

    def _show_one(self) -> None:
        self._mixing.stop()
        self._panes.arrange(1)

    def _show_side(self) -> None:
        self._panes.arrange(max(2, 1 + len(self._panes.all())))

    def _show_more(self) -> None:
        self._panes.arrange(2 + len(self._panes.all()))

    def _switch_grid(self) -> None:
        self._panes.set_grid(not self._panes.grid)

    def _show_turn(self) -> None:
        self.turn.blockSignals(True)
        self.turn.setValue(round(turn_of(self._session.viewer)) % 360)
        self.turn.blockSignals(False)

    def _on_turned(self, degrees: int) -> None:
        set_turn(self._session.viewer, degrees)

    def _turn_on(self) -> None:
        turn_by(self._session.viewer, 90)

    def _turn_back(self) -> None:
        turn_by(self._session.viewer, -90)


def _turn_box() -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, 359)
    box.setWrapping(True)
    box.setSingleStep(5)
    box.setSuffix("°")
    box.setMaximumWidth(_TURN_PX)
    box.setToolTip("By how much the view is turned; all panes turn together")
    return box
