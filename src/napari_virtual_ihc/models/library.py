"""The models at hand: the bundled demo and every model folder of the configured libraries."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard, read_card
from napari_virtual_ihc.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_virtual_ihc.models.folder import Model

DEMO = "demo"


@dataclass(frozen=True)
class ModelEntry:
    """One folder of a library: its card, or the sentence that says what is wrong with it."""

    name: str
    folder: Path
    card: ModelCard | None
    error: str | None


class Library:
    """Model folders by name; a name is that of the folder, the first of equal names counts.

    Parameters
    ----------
    folders
        Library folders, searched after the bundled model; those of the settings where None.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = tuple(load_settings().library_dirs if folders is None else folders)

    def list(self) -> tuple[ModelEntry, ...]:
        """Return every model, the bundled one first; cards are read, weights only glanced at."""
        seen: dict[str, Path] = {}
        entries = []
        for folder in self._candidates():
            first = seen.setdefault(folder.name, folder)
            entries.append(_entry(folder) if first == folder else _hidden(folder, first))
        return tuple(entries)

    def get(self, name: str) -> Model:
        """Return the model called ``name``, or the one in the folder of that path, verified.

        Raises
        ------
        ModelError
            If there is none, or it is damaged.
        """
        from napari_virtual_ihc.models.folder import load_model

        for folder in self._candidates():
            if folder.name == name:
                return load_model(folder)
        if (Path(name) / CARD_FILE).is_file():
            return load_model(Path(name))
        known = ", ".join(dict.fromkeys(folder.name for folder in self._candidates()))
        raise ModelError(f"There is no model {name!r}; the library holds {known}.")

    def _candidates(self) -> Iterator[Path]:
        yield bundled_folder()
        for library in self.folders:
            if library.is_dir():
                yield from sorted(f for f in library.iterdir() if _looks_like_a_model(f))


def bundled_folder() -> Path:
    """Return the folder of the demo model inside the installed package."""
    return Path(str(files("napari_virtual_ihc"))) / "resources" / "models" / DEMO


def _looks_like_a_model(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".")


def _entry(folder: Path) -> ModelEntry:
    try:
        card = read_card(folder)
        _glance(folder / WEIGHTS_FILE)
    except ModelError as error:
        return ModelEntry(folder.name, folder, None, str(error))
    return ModelEntry(folder.name, folder, card, None)


def _glance(weights: Path) -> None:
    try:
        with safe_open(weights, framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} cannot be read: {error}.") from error


def _hidden(folder: Path, first: Path) -> ModelEntry:
    sentence = f"{folder} is hidden by {first}, which has the same name."
    return ModelEntry(folder.name, folder, None, sentence)
