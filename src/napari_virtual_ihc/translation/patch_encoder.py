"""A generator's own encoder as what tells patches of H&E apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.files import hash_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.tapping import Tapped

_ALGORITHM = "generator-encoder/1"
SIDE_UM = 64.0
_PLACES = 4
_BATCH, _LATTICE = 16, 16


class GeneratorEncoder:
    """Vectors of the first residual block, where a generator has seen the most and changed nothing.

    A vector holds the channels at 4 × 4 places of the patch, less each channel's mean over the
    patch: what stands where, not how much of it there is. It fills
    `comparison.patch_encoder.PatchEncoder`.

    Parameters
    ----------
    model
        A generator with residual blocks.
    device
        Such as ``cpu`` or ``cuda``.

    Raises
    ------
    ModelError
        If the model is no such generator.
    """

    def __init__(self, model: Model, device: str = "cpu") -> None:
        network = model.network()
        self._tap = _first_block(network, model.card.name)
        self._network, self._device = network.to(device), device
        self.mpp = model.card.mpp_in
        self.side = max(round(SIDE_UM / self.mpp / _LATTICE), 1) * _LATTICE
        self.name = f"encoder of model {model.card.name}, layer {self._tap}"
        self.key = hash_of(_ALGORITHM, model.weights_hash, self._tap, self.side, _PLACES, device)

    def __call__(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors, (n, 16 · channels), of (n, side, side, 3) RGB at `mpp`.

        Always 16 at a time, the last ones among glass, so that neighbours change nothing.
        """
        parts = [self._sixteen(patches[at : at + _BATCH]) for at in range(0, len(patches), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _sixteen(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        import torch
        from torch.nn import functional

        batch = np.full((_BATCH, self.side, self.side, 3), 242, np.uint8)
        batch[: len(patches)] = patches
        seen = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            x = seen.to(self._device).float() / 127.5 - 1
            found = cast("Tapped", self._network).features(x, [self._tap])[0]
            placed = functional.adaptive_avg_pool2d(found, _PLACES)
            vectors = (placed - placed.mean(dim=(2, 3), keepdim=True)).flatten(1)
        result: NDArray[np.float32] = vectors.cpu().numpy()[: len(patches)]
        return result


def _first_block(network: nn.Module, name: str) -> int:
    from napari_virtual_ihc.networks.resnet import ResidualBlock

    layers = getattr(network, "model", ()) if hasattr(network, "features") else ()
    blocks = [place for place, layer in enumerate(layers) if isinstance(layer, ResidualBlock)]
    if not blocks:
        raise ModelError(
            f"Model {name!r} has no encoder with residual blocks to take features from."
        )
    return blocks[0]
