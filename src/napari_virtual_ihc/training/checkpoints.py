"""Whole states on disk, each written beside its place and renamed into it; no pickle."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_virtual_ihc.errors import JobError, VirtualIhcError
from napari_virtual_ihc.files import read_json, sha256_file, write_json
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

SCHEMA = "virtual-ihc/checkpoint/2"
_KEPT = 2
_TENSORS = "state.safetensors"
_FACTS = "state.json"
_LAST, _BEST = "step", "best"


@dataclass(frozen=True)
class Checkpoint:
    """A whole state of a training.

    Attributes
    ----------
    step
        Steps done.
    tensors
        Weights (``net/G/…``), their moving average (``ema/…``), optimiser state
        (``opt/G/<parameter>/<name>``), and the method's memory (``mem/…``; that of other
        processes than the first ``mem.<rank>/…``).
    groups
        Optimiser settings by name, as JSON values.
    scale
        State of the gradient scaler as JSON values, empty where there is none.
    merit
        What makes it the best so far, more being better; None for one of the last.
    figures
        Validation figures of these weights as JSON values, where it is the best.
    """

    step: int
    tensors: Mapping[str, Tensor]
    groups: dict[str, Any]
    scale: dict[str, Any] = field(default_factory=dict)
    merit: float | None = None
    figures: tuple[dict[str, Any], ...] = ()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint`` below ``folder`` atomically, and forget all but the last two.

    The best has a place of its own and replaces the best before it. A whole checkpoint of the same
    step is kept as it is.

    Raises
    ------
    OSError
        If the disk is full; earlier checkpoints are untouched.
    """
    name = _LAST if checkpoint.merit is None else _BEST
    place = folder / f"{name}-{checkpoint.step:09d}"
    if name == _LAST and _read(place) is not None:
        return place
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        _write(temporary, checkpoint)
        shutil.rmtree(place, ignore_errors=True)
        os.replace(temporary, place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    others = [other for other in _folders(folder, name) if other != place]
    for old in others if name == _BEST else _folders(folder, name)[:-_KEPT]:
        shutil.rmtree(old)
    return place


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    file = folder / _TENSORS
    try:
        save_file(_apart(checkpoint.tensors), file)
    except SafetensorError as error:
        raise OSError(f"{file} cannot be written: {error}") from error
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
    facts = {
        "step": checkpoint.step,
        "groups": checkpoint.groups,
        "scale": checkpoint.scale,
        "merit": checkpoint.merit,
        "figures": list(checkpoint.figures),
        "sha256": sha256_file(file),
    }
    write_json(folder / _FACTS, stamp(SCHEMA, "train") | facts)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU, none sharing memory (two letters may name one network)."""
    apart: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, tensor in tensors.items():
        plain = tensor.cpu().contiguous()
        apart[key] = plain.clone() if plain.data_ptr() in seen else plain
        seen.add(plain.data_ptr())
    return apart


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for torn in folder.glob(".*-*"):
        shutil.rmtree(torn, ignore_errors=True)


def _folders(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*"))


def latest(folder: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint below ``folder``; damaged ones are passed over.

    Raises
    ------
    JobError
        If there are checkpoints, but all are damaged.
    """
    candidates = _folders(folder, _LAST)
    for place in reversed(candidates):
        if (found := _read(place)) is not None:
            return found
    if candidates:
        raise JobError(f"All checkpoints in {folder} are damaged; start the training anew.")
    return None


def best(folder: Path) -> Checkpoint | None:
    """Return the best checkpoint, None where there is none or it is damaged."""
    whole = [found for place in _folders(folder, _BEST) if (found := _read(place)) is not None]
    return max(whole, key=lambda found: found.merit or 0.0, default=None)


def best_merit(folder: Path) -> float | None:
    """Return what a validation has to exceed to be the best; weights are not read."""
    merits = []
    for place in _folders(folder, _BEST):
        try:
            merits.append(float(read_json(place / _FACTS, schema=SCHEMA)["merit"]))
        except (VirtualIhcError, KeyError, TypeError, ValueError):
            continue
    return max(merits, default=None)


def _read(place: Path) -> Checkpoint | None:
    try:
        facts = read_json(place / _FACTS, schema=SCHEMA)
        if sha256_file(place / _TENSORS) != facts["sha256"]:
            return None
        return Checkpoint(
            facts["step"],
            load_file(place / _TENSORS),
            facts["groups"],
            facts["scale"],
            facts["merit"],
            tuple(facts["figures"]),
        )
    except (OSError, VirtualIhcError, SafetensorError, KeyError):
        return None
