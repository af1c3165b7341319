"""PSPStain's segmentation prior from a model folder, or from the file its authors published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import CheckpointError, ModelError
from napari_virtual_ihc.files import sha256_file
from napari_virtual_ihc.models.card import WEIGHTS_FILE
from napari_virtual_ihc.models.folder import load_model, require_finite, require_fitting
from napari_virtual_ihc.models.importing import read_checkpoint
from napari_virtual_ihc.networks.registry import build_empty
from napari_virtual_ihc.networks.segmentation_unet import SegmentationUnet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARCHITECTURE = "segmentation-unet"
_STAGES = ("in_conv", *(f"down{n}.maxpool_conv.1" for n in range(1, 5)))


def load_segmentation_prior(path: Path) -> SegmentationUnet:
    """Return the prior on the CPU, in eval mode, without gradients.

    Parameters
    ----------
    path
        Model folder, or a PyTorch file (``BCI_unet_seg.pth``, ``MIST_unet_seg.pth``), which is
        read in a bounded child process as every foreign checkpoint is.

    Raises
    ------
    ModelError
        If the folder holds another kind of network or other than two classes, or the file is none
        of this architecture, is damaged, or would run code.
    """
    network = _from_folder(path) if path.is_dir() else _from_file(path)
    if network.config.classes != 2:
        classes = network.config.classes
        raise ModelError(f"{path} tells {classes} classes; the prior tells negative from positive.")
    return network


def segmentation_prior_hash(path: Path) -> str:
    """Return the SHA-256 of a prior's weights file, which ``path`` is or holds."""
    return sha256_file(path / WEIGHTS_FILE if path.is_dir() else path)


def _from_folder(path: Path) -> SegmentationUnet:
    model = load_model(path)
    if model.card.architecture != ARCHITECTURE:
        found = model.card.architecture
        raise ModelError(f"{path} holds a network of kind {found!r}, not {ARCHITECTURE!r}.")
    network = model.network()
    assert isinstance(network, SegmentationUnet)
    return network


def _from_file(path: Path) -> SegmentationUnet:
    state, _ = read_checkpoint(path)
    arguments = arguments_of({key: tuple(value.shape) for key, value in state.items()}, path)
    require_fitting(ARCHITECTURE, arguments, state, where=str(path))
    require_finite(state, where=str(path))
    network = build_empty(ARCHITECTURE, arguments)
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    assert isinstance(network, SegmentationUnet)
    return network


def arguments_of(shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Any]:
    """Return the architecture's arguments, read from key → tensor shape; dropout as published.

    Raises
    ------
    CheckpointError
        If the keys are those of another network; the sentence names the file.
    """
    keys = [f"encoder.{stage}.conv_conv.0.weight" for stage in _STAGES]
    last = "decoder1.out_conv.weight"
    if missing := [key for key in (*keys, last) if not shapes.get(key)]:
        raise CheckpointError(
            f"{path} is no segmentation prior of PSPStain: it has no {missing[0]!r}."
        )
    return {"widths": [shapes[key][0] for key in keys], "classes": shapes[last][0]}
