"""The generator on held-out pairs: pictures to look at and DAB agreement to trust."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from PIL import Image

from napari_virtual_ihc.files import atomic_write_bytes
from napari_virtual_ihc.measures.dab_agreement import DabAgreement
from napari_virtual_ihc.measures.difference import GreyDifference
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.networks.folding import fold_spectral
from napari_virtual_ihc.networks.norm import freeze_statistics, norm_layers, pooled_statistics
from napari_virtual_ihc.networks.registry import build
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.training.data import Pair, load
from napari_virtual_ihc.training.sampling import to_rgb, to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_virtual_ihc.measures.dab_agreement import Agreement
    from napari_virtual_ihc.methods.base import Method

_POOLED_TILES = 16
_POOLED_SIDE = 256
_SAMPLE_SIDE = 512


@dataclass(frozen=True)
class Verdict:
    """What held-out data say of a network.

    Attributes
    ----------
    told
        JSON values for the run's ``validation`` event.
    figures
        Numbers for the model card.
    """

    told: dict[str, Any]
    figures: tuple[ValidationFigure, ...]


class Validator(Protocol):
    """How the loop looks at what a method trains."""

    def prepare(self, method: Method, device: torch.device) -> nn.Module:
        """Return the present network as a product would run it."""

    def judge(self, network: nn.Module) -> Verdict:
        """Return what held-out data say of it."""

    def sample(self, network: nn.Module, path: Path) -> None:
        """Write a picture of what it does to held-out data, as PNG."""


def inference_state(method: Method) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return the arguments and weights of the generator as a product uses it.

    Spectral normalisation exists for training only and is folded into the weights.
    """
    name, arguments = method.architecture()
    state = {key: v.detach().cpu().clone() for key, v in method.generator().state_dict().items()}
    if not arguments.get("spectral"):
        return arguments, state
    network = build(name, arguments)
    network.load_state_dict(state)
    return arguments | {"spectral": False}, fold_spectral(network.eval())


def product(method: Method, device: torch.device) -> nn.Module:
    """Return a copy of the generator as a product would run it, in eval mode."""
    arguments, state = inference_state(method)
    network = build(method.architecture()[0], arguments)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False).to(device)


def freeze_over(network: nn.Module, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Freeze instance-norm statistics pooled over the centres of the given H&E pictures."""
    if not norm_layers(network):
        return
    chosen = [pictures[i] for i in _spread(len(pictures), _POOLED_TILES)]
    side = min(_POOLED_SIDE, *(min(p.shape[:2]) for p in chosen)) // 4 * 4
    tiles = torch.stack([to_tensor(_centre(p, side)) for p in chosen])
    freeze_statistics(network, pooled_statistics(network, tiles.to(_device(network))))


@torch.no_grad()
def translate(network: nn.Module, he: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Translate one picture (h, w, 3) uint8, padded by reflection to a multiple of ``stride``."""
    height, width = he.shape[:2]
    padded = np.pad(he, ((0, -height % stride), (0, -width % stride), (0, 0)), mode="reflect")
    out = network(to_tensor(padded)[None].to(_device(network)))[0]
    return to_rgb(out)[:height, :width]


class Validation:
    """Held-out pairs, and what the generator makes of them.

    Statistics are frozen over the held-out H&E, as on a slide, where the networks have any.

    Parameters
    ----------
    pairs
        Held-out pairs; ``limit`` of them, evenly spread, are used.
    mpp
        Their scale, µm/px.
    load_size
        Side to which pictures are resized, as in training.
    stride
        Sides that the generator takes are multiples of it.
    """

    def __init__(
        self, pairs: Sequence[Pair], mpp: float, load_size: int | None, limit: int, stride: int = 4
    ) -> None:
        self.pairs = [pairs[i] for i in _spread(len(pairs), limit)]
        self.mpp = mpp
        self.load_size = load_size
        self.stride = stride

    def prepare(self, method: Method, device: torch.device) -> nn.Module:
        """Return the present generator, its statistics frozen over the held-out H&E."""
        network = product(method, device)
        freeze_over(network, [load(pair, self.load_size)[0] for pair in self.pairs])
        return network

    def judge(self, network: nn.Module) -> Verdict:
        """Return DAB agreement and grey difference on the held-out pairs."""
        agreement, difference = self.figures(network)
        told = {"dab": agreement.as_dict(), "grey": difference.compute()}
        return Verdict(told, as_figures(agreement))

    def figures(self, network: nn.Module) -> tuple[Agreement, GreyDifference]:
        """Return DAB agreement per square inside tissue, and the grey difference."""
        agreement = DabAgreement(self.mpp, DEFAULT_DAB.name, where="tissue, held-out pairs")
        difference = GreyDifference()
        for pair in self.pairs:
            he, ihc = load(pair, self.load_size)
            virtual = translate(network, he, self.stride)
            agreement.update(positive(virtual), positive(ihc), tissue_mask(he, self.mpp))
            difference.update(virtual, ihc)
        return agreement.compute(), difference

    def sample(self, network: nn.Module, path: Path, count: int = 3) -> None:
        """Write H&E, virtual and real IHC of a few pairs, side by side, as PNG."""
        rows = [self._row(network, self.pairs[i]) for i in _spread(len(self.pairs), count)]
        height = min(row.shape[0] for row in rows)
        width = min(row.shape[1] for row in rows)
        picture = np.concatenate([row[:height, :width] for row in rows])
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format="PNG")
        atomic_write_bytes(path, file.getvalue())

    def _row(self, network: nn.Module, pair: Pair) -> NDArray[np.uint8]:
        he, ihc = (_centre(p, min(_SAMPLE_SIDE, *p.shape[:2])) for p in load(pair, self.load_size))
        return np.concatenate([he, translate(network, he, self.stride), ihc], axis=1)


def as_figures(agreement: Agreement) -> tuple[ValidationFigure, ...]:
    """Return the finite numbers of an agreement as figures of a card."""
    named = {
        "dab_area_r": agreement.correlation.r,
        "dab_area_bias": agreement.bias,
    }
    return tuple(
        ValidationFigure(
            name=name, value=value, protocol=agreement.protocol, n=agreement.squares or None
        )
        for name, value in named.items()
        if np.isfinite(value)
    )


def positive(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels of an IHC picture (h, w, 3) count as DAB-positive."""
    return dab_density(rgb) >= DEFAULT_DAB.threshold


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _spread(available: int, wanted: int) -> list[int]:
    if available <= wanted:
        return list(range(available))
    return [int(i) for i in np.linspace(0, available - 1, wanted).round()]


def _centre(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    y, x = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[y : y + side, x : x + side]
