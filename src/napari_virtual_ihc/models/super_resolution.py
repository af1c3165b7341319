"""A super-resolution network from a model folder, or from the file its authors published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import CheckpointError, ModelError
from napari_virtual_ihc.files import sha256_file
from napari_virtual_ihc.models.card import WEIGHTS_FILE
from napari_virtual_ihc.models.folder import load_model, require_finite, require_fitting
from napari_virtual_ihc.models.importing import read_checkpoint
from napari_virtual_ihc.networks.registry import build_empty

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

ARCHITECTURE = "rrdbnet"


def load_super_resolution(path: Path) -> nn.Module:
    """Return an `Rrdbnet` on the CPU, in eval mode, without gradients.

    Parameters
    ----------
    path
        Model folder, or a PyTorch file (such as ``BSRGAN.pth``), which is read in a bounded child
        process as every foreign checkpoint is.

    Raises
    ------
    ModelError
        If the folder holds another kind of network, or the file is none of this architecture, is
        damaged, or would run code.
    """
    if path.is_dir():
        model = load_model(path)
        if model.card.architecture != ARCHITECTURE:
            found = model.card.architecture
            raise ModelError(f"{path} holds a network of kind {found!r}, not {ARCHITECTURE!r}.")
        return model.network()
    state, _ = read_checkpoint(path)
    arguments = arguments_of({key: tuple(value.shape) for key, value in state.items()}, path)
    require_fitting(ARCHITECTURE, arguments, state, where=str(path))
    require_finite(state, where=str(path))
    network = build_empty(ARCHITECTURE, arguments)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def super_resolution_hash(path: Path) -> str:
    """Return the SHA-256 of a network's weights file, which ``path`` is or holds."""
    return sha256_file(path / WEIGHTS_FILE if path.is_dir() else path)


def arguments_of(shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Any]:
    """Return the architecture's arguments, read from key → tensor shape.

    Raises
    ------
    CheckpointError
        If the keys are those of another network; the sentence names the file.
    """
    first, dense = shapes.get("conv_first.weight"), shapes.get("RRDB_trunk.0.RDB1.conv1.weight")
    if first is None or dense is None:
        raise CheckpointError(
            f"{path} is no super-resolution network known here: it has no 'conv_first' or no "
            "'RRDB_trunk', as BSRGAN's files have."
        )
    blocks = {m[1] for key in shapes if (m := re.match(r"RRDB_trunk\.(\d+)\.", key))}
    return {
        "width": first[0],
        "n_blocks": len(blocks),
        "growth": dense[0],
        "scale": 4 if "upconv2.weight" in shapes else 2,
    }
