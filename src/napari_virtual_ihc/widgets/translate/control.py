"""What the Translate page does: choose, prepare, show, hold, fill; no widgets in here."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.camera import view_centre, visible_box
from napari_virtual_ihc.widgets.layers import VirtualInfo, virtual_of
from napari_virtual_ihc.widgets.services import MODELS
from napari_virtual_ihc.widgets.translate.counts import Counts
from napari_virtual_ihc.widgets.translate.model import TranslateState, caution
from napari_virtual_ihc.widgets.translate.prepare import Choices, Prepare, Prepared
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

_SETTINGS = ("device", "backend", "precision", "statistics", "steps")
OVERVIEW_PX = 256
"""Virtual layers have a small coarsest level: napari shows a frozen copy of that one."""


@dataclass(frozen=True)
class Wish:
    """What the user wants translated: a slide, by a model, run in some way."""

    entry: SlideEntry
    slide: Slide
    model: str
    choices: Choices


@dataclass
class Shown:
    """What is translated now: the wish that was granted, by what, in which layer."""

    wish: Wish
    prepared: Prepared
    layer: weakref.ref[Image]
    adapter: LayerAdapter


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
            self._hold(self.shown, not on)
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
            self.shown.adapter.pyramid.retry()
            _refresh(self.shown)
            self._counts.update()

    def failures(self) -> dict[str, int]:
        """Return how many tiles failed for each reason."""
        reasons: dict[str, int] = {}
        for reason in self.shown.adapter.pyramid.failed.values() if self.shown else ():
            reasons[reason] = reasons.get(reason, 0) + 1
        return reasons

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
        choices = Choices(
            state.device, state.backend, state.precision, state.statistics, state.steps
        )
        return Wish(entry, entry.slide, state.model, choices)

    def _on_requested(self, wanted: dict[str, str]) -> None:
        """Take over a model and settings that were written down before."""
        for name in {"model", *_SETTINGS} & set(wanted):
            setattr(self.state, name, wanted[name])
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
        self._work.failed.connect(self._on_problem)
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

    def _on_problem(self, sentence: str) -> None:
        self.session.busy.discard("prepare")
        self.show_activity("", 0, 0)
        self.state.error = sentence

    def _on_prepared(self, wish: Wish, prepared: Prepared) -> None:
        self._stop_preparing()
        self._asked = wish
        if self.shown is not None:
            self._hold(self.shown, True)
        self.shown = self._show(wish, prepared)
        self.state.runs_on = prepared.runs_on
        self._show_caution()
        self.shown_changed.emit()
        if self.state.fill:
            self.set_fill(True)

    def _show(self, wish: Wish, prepared: Prepared) -> Shown:
        services, card = self.session.services, prepared.card
        pyramid = TilePyramid(
            prepared.producer, services.service(MODELS), services.cache, overview_px=OVERVIEW_PX
        )
        info = self.info_of(wish, prepared)
        name = f"{card.marker} virtual · {card.name}"
        layer = self.session.add_virtual(wish.entry, pyramid, info, name)
        adapter = self.session.adapter_of(layer)
        if adapter is None:
            raise RuntimeError(f"Layer {name!r} is not connected to its tiles.")
        self._counts.watch(adapter, prepared.steps)
        self.state.stepwise = card.kind == "diffusion"
        return Shown(wish, prepared, weakref.ref(layer), adapter)

    def info_of(self, wish: Wish, prepared: Prepared) -> VirtualInfo:
        """Return what a layer made for ``wish`` says of itself."""
        card = prepared.card
        return VirtualInfo(card.marker, card.name, wish.slide.fingerprint, prepared.provenance)

    def _hold(self, shown: Shown, held: bool) -> None:
        shown.adapter.pyramid.held = held
        if held:
            shown.adapter.pyramid.rest()
        else:
            _refresh(shown)

    def _on_tiles_changed(self) -> None:
        if self.shown is not None and self.shown.adapter.has_tiles:
            self._remove_former(self.shown)
        self._counts.update_soon()

    def _remove_former(self, shown: Shown) -> None:
        """Take away older live layers of the same slide, now that the new one has a tile."""
        for adapter in self.session.adapters():
            layer = adapter.layer()
            info = None if layer is None else virtual_of(layer)
            if adapter is not shown.adapter and info and info.slide == shown.wish.slide.fingerprint:
                self.session.viewer.layers.remove(layer)

    def _on_layer_removed(self, layer: object) -> None:
        if self.shown is not None and self.shown.layer() is layer:
            self.shown = None
            self.shown_changed.emit()
            self._counts.watch(None)
            self.state.live = False

    def _on_live_toggled(self) -> None:
        self.set_live(not self.state.live)

    def _on_slide_chosen(self) -> None:
        entry = self.session.chosen
        with self.state.events.paused():
            self.state.slide = "" if entry is None else entry.name
            self.state.mpp = None if entry is None else entry.slide.mpp
        self._show_caution()
        self._restart()

    def _show_caution(self) -> None:
        shown, entry = self.shown, self.session.chosen
        if shown is None or shown.wish.entry is not entry or entry.facts is None:
            self.state.caution = ""
            return
        pen = entry.facts.pen_in(visible_box(self.session.viewer))
        mpp_in = shown.prepared.card.mpp_in
        mpp = shown.wish.slide.require_mpp()
        words = caution(mpp, mpp_in, entry.facts.stain, pen)
        told = (*shown.wish.slide.notes, *shown.prepared.notices)
        self.state.caution = words or next(reversed(told), "")


def _refresh(shown: Shown) -> None:
    layer = shown.layer()
    if layer is not None:
        layer.refresh(extent=False, thumbnail=False, highlight=False)
