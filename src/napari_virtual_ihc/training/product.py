"""What a training makes, run as it will be run: by the translator, on pictures as on slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.models.folder import Model
from napari_virtual_ihc.networks.folding import Generator, fold_spectral
from napari_virtual_ihc.networks.registry import build
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.calibration import Statistics, measured_on
from napari_virtual_ihc.translation.plan import facts_of
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.models.card import ModelCard

_WINDOWS = 16
_WINDOW_PX = 256
_MARGIN_PX = 32


def inference_state(
    method: Method, weights: Mapping[str, Tensor]
) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return the arguments and weights of an artifact as a product uses it.

    Spectral normalisation exists for training only and is folded into the weights.

    Parameters
    ----------
    weights
        State dict of ``method.generator()``.
    """
    name, arguments = method.architecture()
    state = {key: value.detach().cpu().clone() for key, value in weights.items()}
    if not arguments.get("spectral"):
        return arguments, state
    network = build(name, arguments)
    network.load_state_dict(state)
    return arguments | {"spectral": False}, fold_spectral(cast("Generator", network.eval()))


def network_of(method: Method, weights: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    """Return a copy of the artifact as a product would run it, in eval mode."""
    arguments, state = inference_state(method, weights)
    network = build(method.architecture()[0], arguments)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False).to(device)


class _Picture:
    """A picture as the one level of a slide."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        self._rgb = rgb
        self.shapes = ((rgb.shape[0], rgb.shape[1]),)
        self.tile_shapes = self.shapes

    def read(
        self, level: int, y: int, x: int, h: int, w: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        return self._rgb[y : y + h, x : x + w].copy(), np.ones((h, w), np.bool_)


class Product:
    """A generator that translates pictures as the translator does slides.

    All pictures together stand for one slide: the statistics of instance norms are measured over
    windows of them, and frozen for all.

    Parameters
    ----------
    card, state
        Of the generator.
    pictures
        H&E over which statistics are measured, (h, w, 3) uint8.
    device
        ``cpu``, ``cuda`` or ``mps``; in float32.

    Raises
    ------
    DataError
        If the pictures are smaller than the network's step.
    """

    def __init__(
        self,
        card: ModelCard,
        state: Mapping[str, Tensor],
        pictures: Sequence[NDArray[np.uint8]],
        device: str,
    ) -> None:
        self._model = Model(card, state, Path(), "")
        self._device = device
        self.statistics = _measure(self._model, pictures, measured_on(device))
        self._prepared = self._translator(pictures[0])

    def __call__(self, he: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the virtual IHC of a picture, (h, w, 3) uint8; the glass colour where blank."""
        here = self._translator(he)
        virtual = np.empty_like(he)
        for tiles in here.plan.all_blocks():
            loaded = here.load(tiles)
            made = dict(loaded.done)
            if loaded.core is not None:
                image = self._prepared.forwards.run(loaded.pixels, loaded.core, never)
                made |= here.loader.finish(loaded, image)
            for address, tile in made.items():
                assert isinstance(tile, np.ndarray)
                y, x, h, w = here.plan.box(address)
                virtual[y : y + h, x : x + w] = tile[..., :3]
        return virtual

    def _translator(self, he: NDArray[np.uint8]) -> Translator:
        slide = Slide("picture", _Picture(he), self._model.card.mpp_in, trusted=True)
        return Translator(
            self._model,
            slide,
            device=self._device,
            backend="torch",
            precision="fp32",
            measured=self.statistics,
        )


def _measure(model: Model, pictures: Sequence[NDArray[np.uint8]], device: str) -> Statistics:
    from napari_virtual_ihc.translation.backends.lockstep import lockstep_statistics

    facts = facts_of(model.card)
    if not facts.normed:
        return Statistics({}, 0)
    chosen = [pictures[i] for i in spread(len(pictures), _WINDOWS)]
    side = min(_WINDOW_PX, *(min(picture.shape[:2]) for picture in chosen))
    side = side // facts.stride * facts.stride
    if not side:
        raise DataError(f"Pictures of under {facts.stride} px cannot be validated on.")
    windows = [centre(picture, side).transpose(2, 0, 1) for picture in chosen]
    margin = min(_MARGIN_PX, side // 8)
    layers = lockstep_statistics(model.network(), windows, margin, device, _ignore, never)
    return Statistics(layers, len(windows))


def _ignore(done: int, total: int) -> None:
    pass


def spread(available: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` of ``available`` positions, evenly spread."""
    if available <= wanted:
        return list(range(available))
    return [int(i) for i in np.linspace(0, available - 1, wanted).round()]


def centre(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the central square of a picture (h, w, 3)."""
    y, x = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[y : y + side, x : x + side]
