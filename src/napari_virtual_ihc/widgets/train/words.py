"""The sentences of the Train page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.widgets.train.model import (
        DataCheck,
        Figure,
        RunDetail,
        RunRow,
        TrainState,
    )

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
FORM_TIPS = {
    "data": "Folder of H&E and IHC pictures, paired by name: trainA and trainB, HE/train and "
    "IHC/train, or HE and IHC",
    "mpp": "Scale of these pictures, µm per pixel: about 0.25 at 40×, 0.5 at 20×. It is never "
    "guessed, for the model would be wrong at every other scale",
    "marker": "What the IHC shows",
    "preset": "Settings to begin with: the paper's, or ones for another purpose",
    "tissue": "Organ or kind of tissue, for the model's card",
    "registered": "The IHC was registered onto the H&E; said on the model's card",
    "steps": "Steps instead of the preset's epochs",
    "seed": "Of first weights and sampling: the same seed gives the same training",
    "device": "Where to train; auto takes what this machine does best",
    "precision": "bf16-mixed is faster where the hardware has it, 32-true is the reference",
    "priority": "Who waits where a training and this window share a GPU",
    "finish_with": "Which weights become the model",
    "out": "Run folder: a name among your runs, or a whole path. The model will have its name",
}


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
    return f"{words_of(figure.name)} {number_text(figure.value)}"


def number_text(value: float) -> str:
    """Return three significant digits."""
    return f"{value:.3g}".replace("-", "−")


def steps_text(steps: float) -> str:
    """Return a number of steps in few characters, such as ``150k``."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(steps) >= unit:
            return f"{steps / unit:.3g}{letter}"
    return f"{steps:.3g}"


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


def outcome_text(state: TrainState) -> str:
    """Return where the model of the chosen run is, once it is there."""
    row = state.row
    if row is None or row.state != "finished":
        return ""
    if state.translates:
        return f"The model is on the Translate page as “{row.name}”."
    return f"The network is in {row.path / 'model'}; other methods load it from there."


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
