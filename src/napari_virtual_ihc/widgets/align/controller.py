"""The Align page put together: a real IHC slide laid onto the H&E, as a layer of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.choosing import PairChoice
from napari_virtual_ihc.widgets.align.finding import load_onto, register_onto, save_laid
from napari_virtual_ihc.widgets.align.hand_control import HandControl
from napari_virtual_ihc.widgets.align.landmark_control import LandmarkControl
from napari_virtual_ihc.widgets.align.landmark_model import brought
from napari_virtual_ihc.widgets.align.model import BY_PEOPLE, GONE, AlignState, agreement, caution
from napari_virtual_ihc.widgets.align.page import AlignPage
from napari_virtual_ihc.widgets.align.placing import Laid, Placing
from napari_virtual_ihc.widgets.align.stage_model import at_stage, shown_row, stage_rows
from napari_virtual_ihc.widgets.align.warped_layer import WarpedLayer
from napari_virtual_ihc.widgets.align.work import Finding

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.widgets.align.finding import Finder
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


class AlignController(QObject):
    """Registers two slides of a window and shows the one on the other.

    Parameters
    ----------
    session
        The window; its chosen slide is the H&E.
    """

    title = "Align"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.state = AlignState()
        self.view = AlignPage(self.state)
        self.choice = PairChoice(session, self.state)
        self.placing = Placing(session)
        self.warped = WarpedLayer(session)
        self.laid: Laid | None = None
        self.finding = Finding(session, self.state)
        self.landmarks = LandmarkControl(
            session, self.state, self.view.landmarks, self.placing, self.warped, self.begin
        )
        self.hand = HandControl(session, self.state, self.view.hand, self.placing, self.begin)
        self._connect()
        self.choice.look()

    def register(self) -> None:
        """Register the chosen slide onto the H&E, in a process of its own."""
        self._find("Trying turns and both sides", register_onto)

    def load(self, folder: Path) -> None:
        """Show a registration that was saved before; it must be of these two slides."""
        self._find("Reading a registration", partial(load_onto, folder))

    def begin(self) -> bool:
        """Lay the slides centre on centre where nothing was found; return whether they are laid."""
        from napari_virtual_ihc.registration.placement import laid_centred

        pair = self.choice.scaled()
        if pair is not None and self.placing.now is None:
            fixed, moving = pair
            self.placing.begin(laid_centred(fixed.slide, moving.slide), *pair, way="affine")
        return pair is not None

    def show_stage(self, place: int) -> None:
        """Show the slide as it lay after the stage in this row of the page."""
        rows, pair = self.state.stages, self.placing.pair
        if self.laid is None or pair is None or not 0 <= place < len(rows):
            return
        mapping = rows[place].mapping
        if mapping is not None:
            self.state.stage = place
            self.warped.look(at_stage(self.laid, mapping, pair[1].slide), *pair)

    def save(self, folder: Path) -> None:
        """Write the present registration, and the pairs, into a folder."""
        if self.laid is None or self.placing.pending:
            return
        try:
            save_laid(self.laid, folder)
        except (OSError, VirtualIhcError) as error:
            self.state.error = str(error)
            return
        self.state.notice = f"Written: {folder.name}/registration.json"

    def cancel(self) -> None:
        """Stop what is going on."""
        self.finding.cancel()

    def close(self) -> None:
        """Stop; the layer of the real IHC stays."""
        self.view.forget_state()
        self.finding.close()
        self.landmarks.close()
        self.hand.close()
        self.warped.forget()
        self.placing.close()

    def _connect(self) -> None:
        self.session.aligned_changed.connect(self._on_aligned_changed)
        self.session.lay_requested.connect(self._on_lay_requested)
        self.session.undo_requested.connect(self._on_undo_requested)
        self.choice.changed.connect(self._on_pair_chosen)
        self.view.moving_chosen.connect(self.choice.choose)
        self.view.scale.typed.connect(self.choice.give_scale)
        self.view.register_requested.connect(self.register)
        self.view.cancel_requested.connect(self.cancel)
        self.view.save_requested.connect(self._on_save_requested)
        self.view.load_requested.connect(self._on_load_requested)
        self.view.landmarks.marking_toggled.connect(self._on_marking)
        self.view.hand.dragging_toggled.connect(self._on_dragging)
        self.view.stages.chosen.connect(self.show_stage)
        self.view.undo_requested.connect(self.placing.undo)
        self.view.redo_requested.connect(self.placing.redo)
        self.finding.found.connect(self._on_found)
        self.finding.failed.connect(self._on_not_found)
        self.warped.resampling.connect(self._on_resampling)
        self.placing.changed.connect(self._on_placement_changed)
        self.placing.laid.connect(self._on_laid)
        self.placing.failed.connect(self._on_failed)

    def _on_lay_requested(self, folder: Path, moving: SlideEntry) -> None:
        if self.choice.take(moving):
            self.load(folder)

    def _on_undo_requested(self, by: int) -> None:
        """Undo or redo by key, where the page is seen; elsewhere a slide would move unasked."""
        button = self.view.undo if by > 0 else self.view.redo
        if self.view.isVisible():
            button.click()

    def _on_pair_chosen(self) -> None:
        """Go on with what was laid of the slides that are meant now."""
        self.placing.keep(self.session.slides())
        if self.state.notice == BY_PEOPLE:
            self.state.notice = ""
        if self.choice.pair != self.placing.pair:
            self._clear()
            self.placing.turn_to(self.choice.pair)

    def _find(self, words: str, find: Finder) -> None:
        pair = self.choice.scaled()
        if pair is not None:
            self.finding.start(words, find, pair)

    def _on_not_found(self, sentence: str) -> None:
        self.state.error, self.state.notice = sentence, BY_PEOPLE

    def _on_found(self, found: Registration) -> None:
        if self.finding.pair is not None:
            now = self.placing.now
            before = Landmarks() if now is None else now.marked
            self.placing.begin(found, *self.finding.pair)
            self.state.notice = brought(found, before)

    def _on_failed(self, sentence: str) -> None:
        self.state.laying, self.state.error = self.placing.pending, sentence

    def _on_marking(self, on: bool) -> None:
        if on:
            self.hand.set_dragging(False)

    def _on_dragging(self, on: bool) -> None:
        if on:
            self.landmarks.set_marking(False)

    def _on_placement_changed(self) -> None:
        now = self.placing.now
        with self.state.events.paused():
            self.state.can_undo, self.state.can_redo = self.placing.can_undo, self.placing.can_redo
            self.state.laying = self.placing.pending
        if now is not None:
            self.warped.hold(now.pose)

    def _on_laid(self, laid: Laid) -> None:
        self.laid = laid
        with self.state.events.paused():
            self.state.registered, self.state.error = True, laid.objection
            self.state.laying = self.placing.pending
            self.state.result = agreement(laid.registration)
            self.state.stages = stage_rows(laid.registration)
            self.state.stage = shown_row(self.state.stages)
            self.state.caution = caution(laid.registration)
            self.state.errors, self.state.medians = laid.errors, tuple(laid.medians.items())
        if self.placing.pair is not None:
            self.warped.show(laid, *self.placing.pair)

    def _on_resampling(self, on: bool) -> None:
        self.state.resampling = on

    def _on_aligned_changed(self) -> None:
        """Forget what was laid when one of its slides is gone."""
        if self.session.aligned is None and self.laid is not None:
            self._forget()
            self.state.notice = GONE

    def _forget(self) -> None:
        self._clear()
        self.placing.forget()

    def _clear(self) -> None:
        """Show nothing of what was laid."""
        self.laid = None
        self.warped.forget()
        self.landmarks.set_marking(False)
        with self.state.events.paused():
            self.state.registered, self.state.result, self.state.caution = False, "", ""
            self.state.laying = False
            self.state.stages, self.state.stage, self.state.error = (), -1, ""

    def _on_save_requested(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.view, "Folder for the registration")
        if chosen:
            self.save(Path(chosen))

    def _on_load_requested(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.view, "Folder of a registration")
        if chosen:
            self.load(Path(chosen))
