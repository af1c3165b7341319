"""What the Translate page does: choose, prepare, show, hold, fill; no widgets in here."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.widgets.camera import view_centre, visible_box
from napari_virtual_ihc.widgets.translate.counts import Counts
from napari_virtual_ihc.widgets.translate.prepare import FIRST_SEED, Choices
from napari_virtual_ihc.widgets.translate.shown import Shown, Wish, show
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.model import TranslateState
    from napari_virtual_ihc.widgets.translate.prepare import Prepare, Prepared

_SETTINGS = tuple(field.name for field in fields(Choices))


class Translation(QObject):
    """Keeps the virtual layer of one window in step with a :class:`TranslateState`.

    Parameters
    ----------
    session
        The window.
    prepare
        Makes tile producers, on a thread of its own.
    state
        What the page shows; written here only.
    """

    shown_changed = Signal()
    """Something else is translated than before, or nothing."""

    def __init__(self, session: Session, prepare: Prepare, state: TranslateState) -> None:
        super().__init__()
        self.session = session
        self.state = state
        self.shown: Shown | None = None
        self._prepare = prepare
        self._work: Work[Prepared] | None = None
        self._asked: Wish | None = None
        self._counts = Counts(session, state)
        session.slide_chosen.connect(self._on_slide_chosen)
        session.tiles_changed.connect(self._on_tiles_changed)
        session.camera_rested.connect(self._show_caution)
        session.layer_removed.connect(self._on_layer_removed)
        session.live_toggled.connect(self._on_live_toggled)
        session.problem.connect(self._on_problem)
        session.translation_requested.connect(self._on_requested)
        self._on_slide_chosen()

    def set_model(self, name: str) -> None:
        """Translate with this model from now on; what is shown stays until its first tile."""
        self.state.model = name
        self._restart()

    def set_choice(self, name: str, value: str) -> None:
        """Change one of the settings of :class:`Choices`."""
        setattr(self.state, name, value)
        self._restart()

    def set_live(self, on: bool) -> None:
        """Translate what is looked at, or leave it at what there is."""
        self.state.live = on
        if not on:
            self.set_fill(False)
        if self.shown is None:
            self._restart()
        else:
            self.shown.hold(not on)
            self._counts.update()

    def set_fill(self, on: bool) -> None:
        """Translate the whole slide in idle time, from the view outwards, or stop that."""
        self.state.fill = on
        if self.shown is None:
            return
        if on:
            self.shown.adapter.fill(*view_centre(self.session.viewer))
        else:
            self.shown.adapter.stop_filling()
        self._counts.update()

    def retry(self) -> None:
        """Try the failed tiles again."""
        if self.shown is not None:
            self.shown.retry()
            self._counts.update()

    def failures(self) -> dict[str, int]:
        """Return how many tiles failed for each reason."""
        return {} if self.shown is None else self.shown.failures()

    def cancel(self) -> None:
        """Stop preparing; live translation is off then."""
        self._stop_preparing()
        self.state.live = self.shown is not None and self.state.live

    def close(self) -> None:
        """Ask for nothing any more; the layer stays with the tiles it has."""
        self._stop_preparing()
        self._counts.close()
        if self.shown is not None:
            self.session.release(self.shown.adapter)
            self.shown = None

    def wish(self) -> Wish | None:
        """Return what the page asks for; None where slide, scale or model is missing."""
        entry, state = self.session.chosen, self.state
        if entry is None or entry.slide.mpp is None or not state.model:
            return None
        choices = Choices(**{name: getattr(state, name) for name in _SETTINGS})
        return Wish(entry, entry.slide, state.model, choices)

    def _on_requested(self, wanted: dict[str, str]) -> None:
        """Take over a model and settings that were written down before, perhaps without a seed."""
        written = {"seed": FIRST_SEED, **wanted}
        for name in {"model", *_SETTINGS} & set(written):
            setattr(self.state, name, written[name])
        self._restart()

    def _restart(self) -> None:
        """Prepare what is wanted, unless it is being prepared or shown already."""
        self.session.translating = {
            name: str(getattr(self.state, name)) for name in ("model", *_SETTINGS)
        }
        wish = self.wish() if self.state.live else None
        if wish is not None and wish == self._asked:
            return
        self._stop_preparing()
        self.state.error = ""
        self._asked = wish
        if wish is None or (self.shown is not None and self.shown.wish == wish):
            return
        self.show_activity("Loading the model", 0, 0)
        self.session.busy.add("prepare")
        self._work = Work(
            partial(self._prepare, wish.slide, wish.model, wish.choices), "prepares a model"
        )
        self._work.progressed.connect(self.show_activity)
        self._work.finished.connect(partial(self._on_prepared, wish))
        self._work.failed.connect(self._on_failed)
        self._work.start()

    def _stop_preparing(self) -> None:
        self._asked = None
        self.session.busy.discard("prepare")
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self.show_activity("", 0, 0)

    def show_activity(self, text: str, done: int, total: int) -> None:
        """Show what is being prepared and how far it is; an empty text shows the tiles again."""
        with self.state.events.paused():
            self.state.activity = text
            self.state.activity_done = done
            self.state.activity_total = total

    def _on_failed(self, sentence: str) -> None:
        self.session.busy.discard("prepare")
        self.show_activity("", 0, 0)
        self._on_problem(sentence)

    def _on_problem(self, sentence: str) -> None:
        self.state.error = sentence

    def _on_prepared(self, wish: Wish, prepared: Prepared) -> None:
        self._stop_preparing()
        self._asked = wish
        if self.shown is not None:
            self.shown.hold(True)
        self.shown = show(self.session, wish, prepared)
        self._counts.watch(self.shown.adapter, prepared.steps)
        self.state.stepwise = prepared.card.kind == "diffusion"
        self.state.runs_on = prepared.runs_on
        self._show_caution()
        self.shown_changed.emit()
        if self.state.fill:
            self.set_fill(True)

    def _on_tiles_changed(self) -> None:
        if self.shown is not None:
            self.shown.remove_former(self.session)
        self._counts.update_soon()

    def _on_layer_removed(self, layer: object) -> None:
        if self.shown is not None and self.shown.layer() is layer:
            self.shown = None
            self.shown_changed.emit()
            self._counts.watch(None)
            self.state.live = False

    def _on_live_toggled(self) -> None:
        """Switch by key, where the page's own switch can be moved."""
        if self.state.ready:
            self.set_live(not self.state.live)

    def _on_slide_chosen(self) -> None:
        entry = self.session.chosen
        with self.state.events.paused():
            self.state.slide = "" if entry is None else entry.name
            self.state.mpp = None if entry is None else entry.slide.mpp
        self._show_caution()
        self._restart()

    def _show_caution(self) -> None:
        shown, words = self.shown, ""
        if shown is not None and shown.wish.entry is self.session.chosen:
            words = shown.caution(visible_box(self.session.viewer))
        self.state.caution = words
