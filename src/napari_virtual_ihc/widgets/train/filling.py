"""Filling in the form of a new training: consequences of every entry, and the check of the data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.widgets.train.checks import check_data
from napari_virtual_ihc.widgets.train.fields import MethodSheet, read_catalogue
from napari_virtual_ihc.widgets.train.form import (
    CheckWish,
    TrainForm,
    check_wish,
    lacking,
    run_folder,
    save_form,
)
from napari_virtual_ihc.widgets.train.words import checking_text
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.widgets.train.model import DataCheck, TrainState
    from napari_virtual_ihc.widgets.work import Progress

    Check = Callable[[CheckWish, Progress], DataCheck]
    Read = tuple[Mapping[str, MethodSheet], bool]

PAPER = "paper"
_SAVE_MS, _CHECK_MS = 1000, 400


class Filling(QObject):
    """Keeps form, methods and the check of the data in step.

    Parameters
    ----------
    form
        What is filled in; kept for the next session.
    state
        Where is written what comes of it.
    check
        Checks a data folder, on a thread of its own; replaced in tests.
    """

    def __init__(self, form: TrainForm, state: TrainState, check: Check = check_data) -> None:
        super().__init__()
        self.form, self.state = form, state
        self.check_with = check
        self._reading: Work[Read] | None = None
        self._checking: Work[DataCheck] | None = None
        self._saving: Work[None] | None = None
        self._wish: CheckWish | None = None
        self._save_soon = QTimer(self, singleShot=True, interval=_SAVE_MS)
        self._save_soon.timeout.connect(self._save)
        self._check_soon = QTimer(self, singleShot=True, interval=_CHECK_MS)
        self._check_soon.timeout.connect(self.check)

    @property
    def sheet(self) -> MethodSheet | None:
        """The chosen method, None until methods are read."""
        return (self.state.catalogue or {}).get(self.form.method)

    def read_methods(self) -> None:
        """Read what can be trained, once; that loads torch, which takes seconds."""
        if self._reading is None:
            self._reading = Work(_read_methods, "reads the methods")
            self._reading.finished.connect(self._on_read)
            self._reading.failed.connect(self._on_failed)
            self._reading.start()

    def set_field(self, name: str, value: Any) -> None:
        """Enter a value; another folder forgets the scale, another method the switches."""
        if getattr(self.form, name) == value:
            return
        if name == "data":
            self.form.mpp = ""
        if name in ("method", "preset"):
            self.form.switches = {}
        if name == "method":
            self._fit_preset((self.state.catalogue or {})[value])
        setattr(self.form, name, value)
        self._consider()

    def set_switch(self, name: str, value: Any) -> None:
        """Set a recipe field; the preset's own value is no change."""
        sheet = self.sheet
        if sheet is None:
            return
        others = {key: one for key, one in self.form.switches.items() if key != name}
        changed = sheet.value(self.form.preset, name) != value
        self._set_switches(others | ({name: value} if changed else {}))

    def set_row(self, row: str) -> None:
        """Set the switches as a row of the paper's ablation table says."""
        if self.sheet is not None:
            self._set_switches(self.sheet.ablated(self.form.preset, row))

    def reset(self) -> None:
        """Take the preset as it is."""
        self._set_switches({})

    def check(self) -> None:
        """Check the data for the form as it stands, away from the window."""
        wish = self._wish
        if self._checking is not None:
            self._checking.cancel()
        if wish is None:
            return
        self.state.check = None
        self.state.looked_at = (0, 0)
        self._checking = Work(partial(self.check_with, wish), "checks the pairs")
        self._checking.progressed.connect(self._on_looked_at)
        self._checking.finished.connect(self._on_checked)
        self._checking.failed.connect(self._on_failed)
        self._checking.start()
        self._tell()

    def refresh(self) -> None:
        """Say again where the run would lie, and what stands against starting."""
        self.state.out = run_folder(self.form, load_settings().runs_dir).name
        self._tell()

    def close(self) -> None:
        """Keep the form, and do nothing any more."""
        changed = self._save_soon.isActive()
        for timer in (self._save_soon, self._check_soon):
            timer.stop()
        for work in (self._reading, self._checking, self._saving):
            if work is not None:
                work.cancel()
        if changed:
            save_form(self.form)

    def _set_switches(self, switches: dict[str, Any]) -> None:
        self.form.switches = switches
        self._consider()

    def _on_read(self, read: Read) -> None:
        catalogue, self.state.curves = read
        if self.form.method not in catalogue:
            self.form.method = next(iter(catalogue))
        sheet = catalogue[self.form.method]
        known = {field.name for field in sheet.fields}
        self.form.switches = {k: v for k, v in self.form.switches.items() if k in known}
        self._fit_preset(sheet)
        self.state.catalogue = catalogue
        self._consider()

    def _fit_preset(self, sheet: MethodSheet) -> None:
        """Fall back to the paper's preset, which every method has."""
        if self.form.preset not in sheet.presets:
            self.form.preset = PAPER

    def _on_failed(self, sentence: str) -> None:
        self.state.error = sentence
        self._tell()

    def _on_looked_at(self, _text: str, done: int, total: int) -> None:
        """Tell of every hundredth of the pictures."""
        if done == total or done % max(total // 100, 1) == 0:
            self.state.looked_at = (done, total)
            self._tell()

    def _on_checked(self, check: DataCheck) -> None:
        self._checking = None
        self.state.check = check
        self._tell()

    def _consider(self) -> None:
        """Find what is wrong with the form, and check the data where they are others now."""
        self._save_soon.start()
        self.state.recipe, self.state.problem = self._recipe()
        recipe = self.state.recipe
        wish = None if recipe is None else check_wish(self.form, recipe)
        if wish != self._wish:
            self._wish = wish
            self.state.check = None
            self._check_soon.start()
        self.refresh()

    def _recipe(self) -> tuple[Recipe | None, str]:
        """Return the recipe of the form, or what is wrong with it."""
        if self.sheet is None:
            return None, ""
        try:
            return self.sheet.recipe(self.form.preset, self.form.switches), ""
        except UsageError as error:
            return None, str(error)

    def _tell(self) -> None:
        self.state.hint = self._hint()
        check, problem = self.state.check, self.state.problem
        good = check is not None and not check.error and check.wish == self._wish
        self.state.ready = good and not self.state.hint and not problem

    def _hint(self) -> str:
        if self.state.catalogue is None:
            return "Reading the methods…"
        missing = lacking(self.form)
        if missing or self.state.problem:
            return missing
        return checking_text(self.state) if self.state.check is None else ""

    def _save(self) -> None:
        kept = replace(self.form)
        self._saving = Work(lambda _progress: save_form(kept), "keeps the form")
        self._saving.failed.connect(self._on_failed)
        self._saving.start()


def _read_methods(progress: object) -> Read:
    """Return the methods, and whether curves can be drawn; loads what both need."""
    drawable = find_spec("pyqtgraph") is not None
    if drawable:
        import pyqtgraph  # noqa: F401
    return read_catalogue(progress), drawable
