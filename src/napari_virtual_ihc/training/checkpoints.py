"""Whole states on disk, each written beside its place and renamed into it; no pickle."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_virtual_ihc.errors import JobError, VirtualIhcError
from napari_virtual_ihc.files import read_json, sha256_file, write_json
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from torch import Tensor

    from napari_virtual_ihc.methods.base import Method

SCHEMA = "virtual-ihc/checkpoint/1"
_KEPT = 2
_TENSORS = "state.safetensors"
_FACTS = "state.json"
_RANDOM = "random/cpu"


@dataclass(frozen=True)
class Checkpoint:
    """A whole state of a training.

    Attributes
    ----------
    step
        Steps done.
    tensors
        Weights (``net/G/…``), optimiser state (``opt/G/<parameter>/<name>``), the method's memory
        (``mem/…``) and random state.
    groups
        Optimiser settings by name, as JSON values.
    """

    step: int
    tensors: dict[str, Tensor]
    groups: dict[str, Any]


def capture(method: Method, step: int) -> Checkpoint:
    """Return the state of ``method`` after ``step`` steps."""
    tensors = {_RANDOM: torch.get_rng_state()}
    for letter, network in method.networks.items():
        tensors |= {f"net/{letter}/{key}": v.detach() for key, v in network.state_dict().items()}
    tensors |= {f"mem/{key}": value.detach() for key, value in method.memory.items()}
    groups: dict[str, Any] = {}
    for letter, optimiser in method.optimisers.items():
        state = optimiser.state_dict()
        groups[letter] = state["param_groups"]
        for index, entries in state["state"].items():
            tensors |= {f"opt/{letter}/{index}/{name}": v for name, v in entries.items()}
    return Checkpoint(step, tensors, groups)


def restore(method: Method, checkpoint: Checkpoint) -> None:
    """Put ``method`` and the random state back to ``checkpoint``.

    Raises
    ------
    JobError
        If the checkpoint does not fit the method's networks.
    """
    restore_weights(method, checkpoint)
    method.memory = dict(_part(checkpoint.tensors, "mem/"))
    for letter, optimiser in method.optimisers.items():
        optimiser.load_state_dict(_optimiser_state(checkpoint, letter))
    torch.set_rng_state(checkpoint.tensors[_RANDOM])


def restore_weights(method: Method, checkpoint: Checkpoint) -> None:
    """Give the networks of ``method`` the checkpoint's weights, and nothing else; raises alike."""
    for letter, network in method.networks.items():
        try:
            network.load_state_dict(_part(checkpoint.tensors, f"net/{letter}/"))
        except RuntimeError as error:
            raise JobError(
                f"The checkpoint of step {checkpoint.step} does not fit network {letter!r}."
            ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimiser_state(checkpoint: Checkpoint, letter: str) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(checkpoint.tensors, f"opt/{letter}/").items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [group | {"betas": tuple(group["betas"])} for group in checkpoint.groups[letter]]
    return {"state": state, "param_groups": groups}


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint`` below ``folder`` atomically, and forget all but the last two.

    Raises
    ------
    OSError
        If the disk is full; earlier checkpoints are untouched.
    """
    place = folder / f"step-{checkpoint.step:09d}"
    temporary = Path(tempfile.mkdtemp(prefix=".step-", dir=folder))
    try:
        _write(temporary, checkpoint)
        if place.exists():
            shutil.rmtree(place)
        os.replace(temporary, place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _folders(folder)[:-_KEPT]:
        shutil.rmtree(old)
    return place


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    file = folder / _TENSORS
    plain = {key: tensor.cpu().contiguous() for key, tensor in checkpoint.tensors.items()}
    try:
        save_file(plain, file)
    except SafetensorError as error:
        raise OSError(f"{file} cannot be written: {error}") from error
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
    facts = {"step": checkpoint.step, "groups": checkpoint.groups, "sha256": sha256_file(file)}
    write_json(folder / _FACTS, stamp(SCHEMA, "train") | facts)


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def latest(folder: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint below ``folder``; damaged ones are passed over.

    Raises
    ------
    JobError
        If there are checkpoints, but all are damaged.
    """
    candidates = _folders(folder)
    for place in reversed(candidates):
        if (found := _read(place)) is not None:
            return found
    if candidates:
        raise JobError(f"All checkpoints in {folder} are damaged; start the training anew.")
    return None


def _read(place: Path) -> Checkpoint | None:
    try:
        facts = read_json(place / _FACTS, schema=SCHEMA)
        if sha256_file(place / _TENSORS) != facts["sha256"]:
            return None
        return Checkpoint(facts["step"], load_file(place / _TENSORS), facts["groups"])
    except (OSError, VirtualIhcError, SafetensorError):
        return None
