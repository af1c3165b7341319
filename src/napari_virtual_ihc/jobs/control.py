"""What the owner of a run wishes: to go on, pause or stop, and who has the device first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "virtual-ihc/run-control/1"
Wish = Literal["run", "pause", "stop"]
Priority = Literal["training", "viewer"]
_KNOWN: dict[str, tuple[str, ...]] = {"wish": get_args(Wish), "priority": get_args(Priority)}


@dataclass(frozen=True)
class Control:
    """The content of ``control.json``.

    Attributes
    ----------
    wish
        What the job is to do after the present step.
    priority
        Who goes first on a device that training and a window share; the run's own setting where
        None.
    """

    wish: Wish = "run"
    priority: Priority | None = None

    @classmethod
    def read(cls, file: Path) -> Control:
        """Read the file; the defaults where there is none.

        Raises
        ------
        JobError
            If a word is not known; the sentence names it.
        """
        if not file.exists():
            return cls()
        content = read_json(file, schema=SCHEMA)
        return cls(_word(file, content, "wish") or "run", _word(file, content, "priority"))

    def write(self, file: Path) -> None:
        """Write the file, atomically."""
        write_json(file, stamp(SCHEMA, "job") | asdict(self))


def _word(file: Path, content: dict[str, Any], field: str) -> Any:
    said = content.get(field)
    if said is not None and said not in _KNOWN[field]:
        raise JobError(f"{file}, field {field!r}: {said!r} is not known.")
    return said
