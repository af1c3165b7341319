"""The models at hand: the bundled ones, those of the configured libraries and of finished runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard, read_card
from napari_virtual_ihc.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_virtual_ihc.models.folder import Model

DEMO = "demo"
BUNDLED = (DEMO, "demo-mdcl", "demo-miu-diff")
"""Models inside the package."""
RUN_MODEL = "model"
"""Where in a run folder its model lies."""
_NAME = re.compile(r"[^\W_][\w .+-]*")


@dataclass(frozen=True)
class ModelEntry:
    """One folder of a library: its card, or the sentence that says what is wrong with it."""

    name: str
    folder: Path
    card: ModelCard | None
    error: str | None


class Library:
    """Model folders by name, the first of equal names counts.

    A name is that of the folder; the model that a training left in its run folder is called as
    the run folder is.

    Parameters
    ----------
    folders
        Library folders, searched after the bundled models; those of the settings, and then the
        finished runs, where None.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = tuple(load_settings().library_dirs if folders is None else folders)
        self._with_runs = folders is None

    def list(self) -> tuple[ModelEntry, ...]:
        """Return every model, the bundled ones first; cards are read, weights only glanced at."""
        seen: dict[str, Path] = {}
        entries = []
        for name, folder in self._candidates():
            first = seen.setdefault(name, folder)
            hidden = first != folder
            entries.append(_hidden(name, folder, first) if hidden else _entry(name, folder))
        return tuple(entries)

    def get(self, name: str) -> Model:
        """Return the model called ``name``, or that of the model or run folder there, verified.

        Raises
        ------
        ModelError
            If there is none, or it is damaged.
        """
        from napari_virtual_ihc.models.folder import load_model

        for known, folder in self._candidates():
            if known == name:
                return load_model(folder)
        for folder in (Path(name), Path(name) / RUN_MODEL):
            if (folder / CARD_FILE).is_file():
                return load_model(folder)
        names = ", ".join(dict.fromkeys(known for known, _ in self._candidates()))
        raise ModelError(f"There is no model {name!r}; the library holds {names}.")

    def _candidates(self) -> Iterator[tuple[str, Path]]:
        yield from ((name, bundled_folder(name)) for name in BUNDLED)
        for library in self.folders:
            yield from ((folder.name, folder) for folder in _folders_in(library))
        if self._with_runs:
            yield from _finished_runs()


def folder_for(name: str, library: Path | None = None) -> Path:
    """Return the folder of a new model in ``library``, or in the first of the settings.

    Raises
    ------
    UsageError
        If the name is none of a folder, or that of a bundled model, which would hide it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a model; take letters, digits, spaces and _ . + -, and begin "
            "with a letter or digit."
        )
    if name in BUNDLED:
        raise UsageError(f"{name!r} is the name of a bundled model; give another --name.")
    return (library or load_settings().library_dirs[0]) / name


def _finished_runs() -> Iterator[tuple[str, Path]]:
    """Yield name and model folder of every training that came to its end."""
    settings = load_settings()
    for run in (*_folders_in(settings.runs_dir), *settings.other_runs):
        model = run / RUN_MODEL
        if (model / CARD_FILE).is_file():
            yield run.name, model


def bundled_folder(name: str = DEMO) -> Path:
    """Return the folder of a bundled model inside the installed package."""
    return Path(str(files("napari_virtual_ihc"))) / "resources" / "models" / name


def _folders_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(f for f in place.iterdir() if f.is_dir() and not f.name.startswith("."))


def _entry(name: str, folder: Path) -> ModelEntry:
    try:
        card = read_card(folder)
        _glance(folder / WEIGHTS_FILE)
    except ModelError as error:
        return ModelEntry(name, folder, None, str(error))
    return ModelEntry(name, folder, card, None)


def _glance(weights: Path) -> None:
    try:
        with safe_open(weights, framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} cannot be read: {error}.") from error


def _hidden(name: str, folder: Path, first: Path) -> ModelEntry:
    sentence = f"{folder} is hidden by {first}, which has the same name."
    return ModelEntry(name, folder, None, sentence)
