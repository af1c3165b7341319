"""What the Train page shows of runs, without Qt: its state."""

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
    from napari_virtual_ihc.widgets.train.fields import MethodSheet
    from napari_virtual_ihc.widgets.train.form import CheckWish


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
