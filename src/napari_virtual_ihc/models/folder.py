"""A model folder: ``model.json`` beside ``weights.safetensors``, whole or refused."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.files import sha256_file
from napari_virtual_ihc.models.card import WEIGHTS_FILE, ModelCard, read_card, write_card
from napari_virtual_ihc.networks.registry import build_empty, expected_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 8


@dataclass(frozen=True)
class Model:
    """A verified model.

    Attributes
    ----------
    state
        Weights by reference key name, on the CPU.
    weights_hash
        SHA-256 of the weights file, as its card states it.
    """

    card: ModelCard
    state: Mapping[str, Tensor]
    folder: Path
    weights_hash: str

    def network(self) -> nn.Module:
        """Return a new network with these weights, on the CPU, in eval mode, without gradients."""
        network = build_empty(self.card.architecture, self.card.arguments)
        network.load_state_dict(dict(self.state))
        return network.eval().requires_grad_(False)


def save_model(
    folder: Path,
    card: ModelCard,
    state: Mapping[str, Tensor],
    *,
    command: str = "save model",
    replace: bool = False,
) -> Path:
    """Write a model folder in one rename, and return it.

    Parameters
    ----------
    card
        Its ``weights_sha256`` is replaced by that of the file written.
    replace
        Take the place of an existing model folder.

    Raises
    ------
    ModelError
        If the weights do not fit the card's architecture or are not finite, if the folder exists
        and ``replace`` is false, or if it cannot be written.
    """
    require_fitting(card.architecture, card.arguments, state, where=f"Model {card.name!r}")
    require_finite(state, where=f"Model {card.name!r}")
    if not replace:
        require_free(folder)
    try:
        _write(folder, card, state, command)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder} cannot be written: {error}.") from error
    return folder


def require_free(folder: Path) -> None:
    """Raise ModelError if something is at ``folder`` already."""
    if folder.exists():
        raise ModelError(f"{folder} exists already; choose another name or remove it first.")


def load_model(folder: Path) -> Model:
    """Read and verify a model folder.

    Raises
    ------
    ModelError
        Naming the file and what is wrong: a missing or damaged file, a hash that differs, a
        missing, unexpected or misshapen tensor, or one that is not finite.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS_FILE}.")
    digest = sha256_file(path)
    if digest != card.weights_sha256:
        raise ModelError(f"{path} is not the file its card describes (SHA-256 differs).")
    try:
        state = cast("dict[str, Tensor]", load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    require_fitting(card.architecture, card.arguments, state, where=str(path))
    require_finite(state, where=str(path))
    return Model(card, state, folder, digest)


def require_fitting(
    architecture: str, arguments: Mapping[str, object], state: Mapping[str, Tensor], *, where: str
) -> None:
    """Raise ModelError unless ``state`` has exactly the tensors of the architecture."""
    expected = expected_shapes(architecture, arguments)
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in expected.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    problems = [
        f"{kind} {_some(keys)}"
        for kind, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("misshapen", misshapen),
        )
        if keys
    ]
    if problems:
        told = f"architecture {architecture!r} with {dict(arguments)}"
        raise ModelError(f"{where} does not fit {told}: {'; '.join(problems)}.")


def require_finite(state: Mapping[str, Tensor], *, where: str) -> None:
    """Raise ModelError naming the first tensor of ``state`` that holds NaN or infinity."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{where}: tensor {key!r} holds NaN or infinite values.")


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def _write(folder: Path, card: ModelCard, state: Mapping[str, Tensor], command: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        weights = temporary / WEIGHTS_FILE
        save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, weights)
        with weights.open("rb") as file:
            os.fsync(file.fileno())
        sealed = card.model_copy(update={"weights_sha256": sha256_file(weights)})
        write_card(temporary, sealed, command)
        _open_to_readers(temporary)
        _put(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open_to_readers(folder: Path) -> None:
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _put(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    folder.rename(old / folder.name)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
