"""What a new training is to be, without Qt: the form, what it lacks, and its command."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_args

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.settings import home
from napari_virtual_ihc.training.settings import Precision
from napari_virtual_ihc.widgets.train.fields import as_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.methods.recipe import Recipe

SCHEMA = "virtual-ihc/train-form/1"
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS: tuple[str, ...] = get_args(Precision)
PRIORITIES = {"training": "training first", "viewer": "viewer first"}
KEPT = {"last": "last weights", "best": "best by validation"}
_FINEST, _COARSEST = 0.01, 100.0


@dataclass
class TrainForm:
    """One field for each entry of the form, as typed; ``events`` tells of every change.

    Attributes
    ----------
    data
        Folder of pairs.
    mpp
        Scale of its pictures, µm/px; nothing until somebody says it.
    switches
        Recipe field (dotted) → JSON value, where it differs from the preset.
    steps
        Steps instead of the recipe's epochs; nothing takes the epochs.
    out
        Run folder: a name within the runs folder, or a whole path; nothing takes a speaking name.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    data: str = ""
    mpp: str = ""
    marker: str = ""
    tissue: str = ""
    registered: bool = False
    method: str = "asp"
    preset: str = "paper"
    switches: dict[str, Any] = field(default_factory=dict)
    steps: str = ""
    seed: str = "0"
    device: str = "auto"
    precision: str = "auto"
    priority: str = "training"
    finish_with: str = "last"
    out: str = ""


class CheckWish(NamedTuple):
    """What a check of the data depends on; the crop is 1 where pictures are resized first."""

    data: str
    mpp: float
    marker: str
    crop: int


def scale_of(form: TrainForm) -> float | None:
    """Return the µm/px that were typed, None where they are no such number."""
    try:
        mpp = float(form.mpp.replace(",", "."))
    except ValueError:
        return None
    return mpp if _FINEST < mpp < _COARSEST else None


def check_wish(form: TrainForm, recipe: Recipe) -> CheckWish | None:
    """Return what to check the data for, None where something it depends on is not known."""
    mpp = scale_of(form)
    if not form.data or mpp is None:
        return None
    crop = recipe.crop_size if recipe.load_size is None else 1
    return CheckWish(form.data, mpp, form.marker or "unknown", crop)


def lacking(form: TrainForm) -> str:
    """Return one sentence on the first thing that must still be said, or nothing."""
    if not form.data:
        return "Choose the folder of H&E and IHC pairs to learn from."
    if scale_of(form) is None:
        return "Type the µm per pixel of these pictures: about 0.25 at 40×, 0.5 at 20×."
    if not form.marker.strip():
        return "Say what the IHC shows, such as HER2 or Ki-67."
    for name, least in (("steps", 1), ("seed", 0)):
        text = getattr(form, name).strip()
        if (text or name == "seed") and not (text.isdecimal() and int(text) >= least):
            return f"“{text}” cannot be the {name}: type a whole number."
    return ""


def run_folder(form: TrainForm, runs_dir: Path) -> Path:
    """Return where the run will lie; a speaking name that is not taken where none was typed."""
    if form.out.strip():
        return runs_dir / Path(form.out.strip()).expanduser()
    words = [form.method, form.marker, "" if form.preset == "paper" else form.preset]
    name = "-".join(part for word in words if (part := _plain(word)))
    return runs_dir / _free(name, lambda name: (runs_dir / name).exists())


def _plain(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-._")


def _free(name: str, taken: Callable[[str], bool]) -> str:
    number, free = 1, name
    while taken(free):
        number += 1
        free = f"{name}-{number}"
    return free


def command(form: TrainForm, out: Path) -> list[str]:
    """Return the words after ``virtual-ihc`` that start this training.

    Raises
    ------
    UsageError
        If something is lacking.
    """
    missing = lacking(form)
    if missing:
        raise UsageError(missing)
    options = {
        "data": form.data,
        "mpp": repr(scale_of(form)),
        "out": str(out),
        "method": form.method,
        "preset": form.preset,
        "marker": form.marker.strip(),
        "tissue": form.tissue.strip() or "unknown",
        "steps": form.steps.strip(),
        "seed": form.seed.strip(),
        "device": form.device,
        "precision": form.precision,
        "gpu-priority": form.priority,
        "finish-with": form.finish_with,
    }
    words = [f"--{name}={value}" for name, value in options.items() if value]
    switches = [f"--set={setting}" for setting in as_settings(form.switches)]
    return ["train", *words, *(["--registered"] if form.registered else []), *switches]


def form_file() -> Path:
    """Return the file that keeps the form between sessions."""
    return home() / "train-form.json"


def save_form(form: TrainForm) -> None:
    """Keep the form for the next session, atomically."""
    write_json(form_file(), stamp(SCHEMA, "train") | asdict(form))


def load_form() -> TrainForm:
    """Return the form of the last session, a new one where there was none.

    Raises
    ------
    VirtualIhcError
        If its file is damaged.
    """
    form = TrainForm()
    if form_file().exists():
        content = read_json(form_file(), schema=SCHEMA)
        for name in (one.name for one in fields(TrainForm)):
            if isinstance(content.get(name), type(getattr(form, name))):
                setattr(form, name, content[name])
    return form
