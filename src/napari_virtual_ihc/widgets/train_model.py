"""What the Train page shows of runs, without Qt: its state and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from psygnal import SignalGroupDescriptor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.jobs.control import Priority
    from napari_virtual_ihc.jobs.run_folder import State
    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.training.data import Finding
    from napari_virtual_ihc.widgets.train_fields import MethodSheet
    from napari_virtual_ihc.widgets.train_form import CheckWish

NO_RUNS = "No training yet. Runs are listed here, those of “virtual-ihc train” too."
SYMBOLS: dict[str, str] = {
    "running": "▶",
    "paused": "‖",
    "stopped": "■",
    "finished": "✔",
    "failed": "✕",
    "lost": "✕",
}
_FINDINGS = {
    "unpaired": "without a partner",
    "unreadable": "unreadable",
    "size": "of a wrong size",
    "same": "the same picture on both sides",
    "blank": "almost without tissue",
    "blurred": "out of focus",
    "stain": "of the wrong stain",
    "duplicate": "there twice",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Figure(NamedTuple):
    """A validation figure and how it is made."""

    name: str
    value: float
    protocol: str


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve to draw: means over neighbouring steps where there are many.

    Attributes
    ----------
    name
        Loss term or validation figure.
    steps, values
        (n,) float64.
    last
        The newest value.
    protocol
        How a validation figure is made; nothing for losses.
    """

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    last: float
    protocol: str = ""


@dataclass(frozen=True)
class RunRow:
    """A run as the list shows it.

    Attributes
    ----------
    step, steps
        Steps done and in all, None where it has not begun.
    seconds_left
        None where that cannot be told.
    figure
        Newest validation figure.
    sentence
        What went wrong, if anything.
    resumable
        Whether it can go on from its last checkpoint.
    """

    path: Path
    method: str
    marker: str
    state: State
    step: int
    steps: int | None
    seconds_left: float | None
    figure: Figure | None
    sentence: str
    resumable: bool

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.path.name


@dataclass(frozen=True)
class RunDetail:
    """The chosen run.

    Attributes
    ----------
    curves
        Validation figures, then loss terms.
    samples
        Sample pictures, oldest first.
    disk_bytes
        What the run folder holds.
    memory_bytes
        What its process holds, None where it runs not, or elsewhere.
    runs_on
        Device and precision.
    priority
        Who goes first on a shared device.
    """

    path: Path
    curves: tuple[Curve, ...]
    samples: tuple[Path, ...]
    disk_bytes: int
    memory_bytes: int | None
    runs_on: str
    priority: Priority


@dataclass(frozen=True)
class DataCheck:
    """What a check of the data came to.

    Attributes
    ----------
    wish
        What was checked.
    error
        Why these data cannot be used, if they cannot.
    """

    wish: CheckWish
    layout: str = ""
    train: int = 0
    validation: int = 0
    findings: tuple[Finding, ...] = ()
    error: str = ""


@dataclass
class TrainState:
    """What the page shows beside the form; ``events`` tells of every change.

    Attributes
    ----------
    catalogue
        Methods by name; empty until they are read.
    runs
        Newest first; None until they were looked for.
    chosen
        Path of the run that is looked at.
    activity
        What is being done for the page, such as starting a run.
    looked_at
        Pictures looked at by the check that runs, and pictures in all.
    problem
        What is wrong with the form, in one sentence.
    recipe
        The recipe that the form describes, None while that is wrong.
    hint
        What is still to be said or waited for before a training can start.
    out
        Name of the run folder that is taken where none is typed.
    ready
        Whether it can start.
    curves
        Whether curves can be drawn; None until that is known.
    error
        What failed.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    catalogue: Mapping[str, MethodSheet] | None = None
    runs: tuple[RunRow, ...] | None = None
    chosen: str = ""
    detail: RunDetail | None = None
    check: DataCheck | None = None
    looked_at: tuple[int, int] = (0, 0)
    activity: str = ""
    problem: str = ""
    recipe: Recipe | None = None
    hint: str = ""
    out: str = ""
    ready: bool = False
    curves: bool | None = None
    error: str = ""

    @property
    def row(self) -> RunRow | None:
        """The chosen run."""
        return next((row for row in self.runs or () if str(row.path) == self.chosen), None)

    @property
    def translates(self) -> bool:
        """Whether the chosen run trains a network that makes virtual IHC, as far as is known."""
        sheet = (self.catalogue or {}).get(self.row.method if self.row else "")
        return sheet is None or sheet.artifact == "generator"


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units, such as ``2 h 10 min``."""
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    large, small, unit, under = (
        (_DAY, _HOUR, "d", "h") if seconds >= _DAY else (_HOUR, _MINUTE, "h", "min")
    )
    return f"{seconds // large:.0f} {unit} {seconds % large // small:.0f} {under}"


def size_text(size: int) -> str:
    """Return a number of bytes in kB, MB or GB, three significant digits."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.3g} kB"


def figure_text(figure: Figure) -> str:
    """Return a validation figure in a few characters."""
    return f"{words_of(figure.name)} {figure.value:.3g}"


def words_of(name: str) -> str:
    """Return a figure's or loss term's name in words."""
    return name.replace("dab", "DAB").replace("_", " ")


def state_text(row: RunRow) -> str:
    """Return the state of a run in a word."""
    return "starting" if row.state == "running" and row.steps is None else row.state


def row_text(row: RunRow) -> tuple[str, str, str]:
    """Return the lines of a run in the list: what it is, how it does, how far it is."""
    figure = "" if row.figure is None else figure_text(row.figure)
    steps = "" if row.steps is None else f"{row.step:,} of {row.steps:,} steps"
    left = "" if row.seconds_left is None else f"{duration_text(row.seconds_left)} left"
    return (
        f"{SYMBOLS[row.state]} {row.name} · {state_text(row)}",
        " · ".join(filter(None, [row.method, row.marker, figure])),
        " · ".join(filter(None, [steps, left])),
    )


def detail_text(detail: RunDetail) -> str:
    """Return what a run uses, in two lines."""
    memory = detail.memory_bytes
    used = "" if memory is None else f" · memory {size_text(memory)}"
    return f"{detail.runs_on}\ndisk {size_text(detail.disk_bytes)}{used}"


def checking_text(state: TrainState) -> str:
    """Return how far the check of the data is."""
    done, total = state.looked_at
    return f"Looking at the pairs… {done:,} of {total:,}" if total else "Looking at the pairs…"


def found_text(check: DataCheck, recipe: Recipe | None) -> str:
    """Return what was found in the data folder, and how many steps a recipe makes of it."""
    found = f"{check.layout}: {check.train:,} pairs to train on, {check.validation:,} held out."
    if recipe is None:
        return found
    epochs = recipe.total_epochs
    steps = epochs * max(1, check.train // recipe.batch_size)
    return f"{found} {epochs:,} epochs are {steps:,} steps."


def left_out_text(check: DataCheck) -> str:
    """Return what is left out of the data, and what else their owner should know."""
    left_out = [one for one in check.findings if not one.kept]
    notes = [one.message for one in check.findings if one.kept]
    if len(left_out) == 1:
        return " ".join([left_out[0].message, *notes])
    counts: dict[str, int] = {}
    for one in left_out:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    told = [f"{count:,} {_FINDINGS.get(kind, kind)}" for kind, count in counts.items()]
    summary = f"{len(left_out):,} left out: {', '.join(told)}." if told else ""
    return " ".join(filter(None, [summary, *notes]))
