"""A ResNet-18 of the user's, as a starting point: its features kept, its head drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.models.folder import load_model, require_finite, require_fitting
from napari_virtual_ihc.networks.resnet18 import Resnet18, Resnet18Config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_HEAD = ("fc.weight", "fc.bias")
_COUNTER = ".num_batches_tracked"


def load_resnet18(path: Path, classes: int) -> Resnet18:
    """Return a ResNet-18 with the features of ``path`` and a fresh head of ``classes``.

    Parameters
    ----------
    path
        A model folder, or a safetensors file in the layout of torchvision, with or without the
        head and the counters of its batch norms.

    Raises
    ------
    ModelError
        If it is missing, damaged or no ResNet-18.
    """
    network = Resnet18(Resnet18Config(classes))
    fresh = network.state_dict()
    kept = {key: value for key, value in _state(path).items() if key not in _HEAD}
    spare = [k for k in fresh if k in _HEAD or (k.endswith(_COUNTER) and k not in kept)]
    state = kept | {key: fresh[key] for key in spare}
    require_fitting("resnet18", {"classes": classes}, state, where=str(path))
    require_finite(state, where=str(path))
    network.load_state_dict(state)
    return network


def _state(path: Path) -> Mapping[str, Tensor]:
    if path.is_dir():
        return load_model(path).state
    try:
        state: Mapping[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no safetensors file of a ResNet-18: {error}.") from error
    return state
