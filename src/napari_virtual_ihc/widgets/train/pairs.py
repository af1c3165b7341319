"""Training pairs from two registered layers: cut on a thread, then filled into the form."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.widgets.look import RED, message_label, row, show_message, tool_button
from napari_virtual_ihc.widgets.train.pairs_model import PairsState, settings_of, told_of
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.training_pairs import PairSettings
    from napari_virtual_ihc.widgets.aligned import Aligned
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.train.filling import Filling
    from napari_virtual_ihc.widgets.work import Progress

_TIP = (
    "Cuts pairs where H&E and registered IHC are comparable, split by region, into a folder; pairs "
    "of several slides may share one. Takes the form's µm/px and marker"
)


class PairsRow(QWidget):
    """Offers pairs from two registered layers; hidden while there are none.

    Parameters
    ----------
    state
        What to show.
    """

    folder_chosen = Signal(str)
    cancel_requested = Signal()

    def __init__(self, state: PairsState) -> None:
        super().__init__()
        self._state = state
        self.cut = QPushButton("Pairs from two registered layers…")
        self.cut.setToolTip(f"<p>{_TIP.replace('&', '&amp;')}</p>")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self.activity = QLabel()
        self.activity.setWordWrap(True)
        self.activity.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.cancel = tool_button("Stop", "Stop this; the same folder goes on later")
        self.error, self.told = message_label(RED), message_label("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.cut, self.bar, row(self.activity, self.cancel), self.error, self.told):
            layout.addWidget(item)
        self.cut.clicked.connect(self._on_clicked)
        self.cancel.clicked.connect(self.cancel_requested)
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state, busy = self._state, bool(self._state.activity)
        self.setVisible(bool(state.offered or state.told or busy))
        self.cut.setEnabled(bool(state.offered) and not busy)
        self.bar.setVisible(busy)
        self.bar.setRange(0, state.total)
        self.bar.setValue(state.done)
        self.activity.setText(f"{state.activity}…" if busy else state.offered)
        self.cancel.setVisible(busy)
        show_message(self.error, state.error)
        show_message(self.told, state.told)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _on_clicked(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the pairs")
        if chosen:
            self.folder_chosen.emit(chosen)

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()


class PairCutting(QObject):
    """Cuts pairs from the registered slides of a window, and enters their folder into the form.

    Parameters
    ----------
    session
        The window.
    filling
        What fills in the form.
    """

    def __init__(self, session: Session, filling: Filling) -> None:
        super().__init__()
        self.state = PairsState()
        self.view = PairsRow(self.state)
        self._session, self._filling = session, filling
        self._work: Work[dict[str, Any]] | None = None
        self.view.folder_chosen.connect(lambda folder: self.cut(Path(folder)))
        self.view.cancel_requested.connect(self.cancel)
        session.aligned_changed.connect(self._on_aligned)
        self._on_aligned()

    def cut(self, folder: Path) -> None:
        """Cut pairs of the registered slides into a folder, away from the window."""
        aligned = self._session.aligned
        if aligned is None or self._work is not None:
            return
        recipe = self._filling.state.recipe
        self.state.error = self.state.told = ""
        try:
            crop = 1 if recipe is None else recipe.crop_size
            settings = settings_of(self._filling.form, aligned.registration, crop)
        except UsageError as error:
            self.state.error = str(error)
            return
        self._on_progress("Cuts pairs", 0, 0)
        work = Work(partial(_cut, aligned, settings, folder), "cuts training pairs")
        work.progressed.connect(self._on_progress)
        work.finished.connect(partial(self._on_cut, folder))
        work.failed.connect(self._on_failed)
        self._work = work.start()

    def cancel(self) -> None:
        """Stop; what is cut stays, and the same folder goes on from there."""
        if self._work is not None:
            self._work.cancel()
        self._end()

    def close(self) -> None:
        """Stop."""
        self.view.forget_state()
        if self._work is not None:
            self._work.cancel()

    def _on_aligned(self) -> None:
        aligned = self._session.aligned
        names = "" if aligned is None else f"{aligned.fixed.name} + {aligned.moving.name}"
        self.state.offered = names

    def _on_progress(self, words: str, done: int, total: int) -> None:
        with self.state.events.paused():
            self.state.activity, self.state.done, self.state.total = words, done, total

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self.state.error = sentence

    def _on_cut(self, folder: Path, record: dict[str, Any]) -> None:
        self._end()
        self.state.told = told_of(record)
        entries = {"data": str(folder), "mpp": f"{record['um_per_px']:g}", "registered": True}
        for name, value in entries.items():
            self._filling.set_field(name, value)
        self._filling.check()

    def _end(self) -> None:
        self._work = None
        self._on_progress("", 0, 0)


def _cut(
    aligned: Aligned, settings: PairSettings, folder: Path, progress: Progress
) -> dict[str, Any]:
    from napari_virtual_ihc.comparison.pair_folder import Registered, cut_pairs

    slides = Registered(aligned.fixed.slide, aligned.warped, aligned.registration)
    return cut_pairs(slides, settings, folder, progress)
