"""The Align page put together: a real IHC slide laid onto the H&E, as a layer of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.align_model import NO_SCALE, AlignState, result_lines
from napari_virtual_ihc.widgets.align_page import AlignPage
from napari_virtual_ihc.widgets.aligned import Aligned
from napari_virtual_ihc.widgets.layers import WARPED, slide_layer
from napari_virtual_ihc.widgets.virtual import place_above
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry
    from napari_virtual_ihc.widgets.work import Progress

    Finder = Callable[[Slide, Slide, str, Progress], Registration]


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
        self.registration: Registration | None = None
        self._work: Work[Registration] | None = None
        self._pair: tuple[SlideEntry, SlideEntry] | None = None
        session.slides_changed.connect(self._on_slides_changed)
        session.slide_chosen.connect(self._on_slides_changed)
        self.view.moving_chosen.connect(self.choose)
        self.view.register_requested.connect(self.register)
        self.view.cancel_requested.connect(self.cancel)
        self.view.save_requested.connect(self._on_save_requested)
        self.view.load_requested.connect(self._on_load_requested)
        self._on_slides_changed()

    def choose(self, index: int) -> None:
        """Take the slide at ``index`` of the page's list as the one to lay onto the H&E."""
        self.state.moving = index

    def register(self) -> None:
        """Register the chosen slide onto the H&E, in a process of its own."""
        self._begin("Searching rotations and both sides", _register)

    def load(self, folder: Path) -> None:
        """Show a registration that was saved before; it must be of these two slides."""
        self._begin("Reading a registration", partial(_load, folder))

    def save(self, folder: Path) -> None:
        """Write the present registration into a folder."""
        from napari_virtual_ihc.registration.store import save

        if self.registration is None:
            return
        try:
            save(self.registration, folder)
        except (OSError, VirtualIhcError) as error:
            self.state.error = str(error)
            return
        self.state.notice = f"Written: {folder.name}/registration.json"

    def cancel(self) -> None:
        """Stop what is going on."""
        if self._work is not None:
            self._work.cancel()
        self._end()

    def close(self) -> None:
        """Stop; the layers stay."""
        self.view.forget_state()
        if self._work is not None:
            self._work.cancel()

    def _others(self) -> list[SlideEntry]:
        return [
            entry
            for entry in self.session.slides()
            if entry is not self.session.chosen and not _is_warped(entry)
        ]

    def _on_slides_changed(self) -> None:
        others, chosen = self._others(), self.session.chosen
        with self.state.events.paused():
            self.state.fixed = "" if chosen is None else chosen.name
            self.state.others = tuple(entry.name for entry in others)
            if not 0 <= self.state.moving < len(others):
                self.state.moving = 0 if others else -1

    def _begin(self, words: str, find: Finder) -> None:
        others, fixed = self._others(), self.session.chosen
        if fixed is None or not 0 <= self.state.moving < len(others):
            return
        moving = others[self.state.moving]
        self.state.error = self.state.notice = self.state.caution = ""
        if fixed.slide.mpp is None or moving.slide.mpp is None:
            self.state.error = NO_SCALE
            return
        self._pair = fixed, moving
        self.session.busy.add("align")
        self._tell(words, 0, 0)
        work = Work(partial(find, fixed.slide, moving.slide, words), "registers two slides")
        work.progressed.connect(self._on_progress)
        work.finished.connect(self._on_registered)
        work.failed.connect(self._on_failed)
        self._work = work.start()

    def _end(self) -> None:
        self._work = None
        self.session.busy.discard("align")
        self._tell("", 0, 0)

    def _on_progress(self, words: str, done: int, total: int) -> None:
        """Show a step, unless it arrives after what it belongs to was stopped."""
        if self._work is not None:
            self._tell(words, done, total)

    def _tell(self, words: str, done: int, total: int) -> None:
        with self.state.events.paused():
            self.state.activity, self.state.done, self.state.total = words, done, total

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self.state.error = sentence

    def _on_registered(self, found: Registration) -> None:
        if self._work is None:
            return
        self._end()
        self.registration = found
        with self.state.events.paused():
            self.state.registered = True
            self.state.result = result_lines(found)
            self.state.caution = " ".join(found.notes)
        if self._pair is not None:
            self._show(found, *self._pair)

    def _show(self, found: Registration, fixed: SlideEntry, moving: SlideEntry) -> None:
        """Add the warped slide above the H&E, instead of a former one, and hide the original."""
        from napari.layers import Image

        from napari_virtual_ihc.registration.warp import warp

        slide = warp(found, moving.slide)
        self.session.align(Aligned(found, fixed, moving, slide))
        viewer, original = self.session.viewer, moving.layer()
        for entry in [one for one in self.session.slides() if _is_warped(one)]:
            layer = entry.layer()
            if layer is not None and layer.metadata[WARPED] == moving.slide.fingerprint:
                viewer.layers.remove(layer)
        data, arguments, _ = slide_layer(slide)
        arguments["metadata"] = {**arguments["metadata"], WARPED: moving.slide.fingerprint}
        layer = Image(data, **arguments)
        viewer.add_layer(layer)
        place_above(viewer, fixed.layer(), layer)
        if original is not None:
            original.visible = False

    def _on_save_requested(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.view, "Folder for the registration")
        if chosen:
            self.save(Path(chosen))

    def _on_load_requested(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.view, "Folder of a registration")
        if chosen:
            self.load(Path(chosen))


def _is_warped(entry: SlideEntry) -> bool:
    layer = entry.layer()
    return layer is not None and WARPED in layer.metadata


def _register(fixed: Slide, moving: Slide, words: str, progress: Progress) -> Registration:
    from napari_virtual_ihc.registration.apart import register_apart

    return register_apart(fixed, moving, partial(progress, words))


def _load(
    folder: Path, fixed: Slide, moving: Slide, words: str, progress: Progress
) -> Registration:
    from napari_virtual_ihc.registration.store import load

    progress(words)
    found = load(folder)
    found.require(fixed, moving)
    return found
