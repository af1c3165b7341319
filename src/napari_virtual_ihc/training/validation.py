"""The generator on held-out pairs: pictures to look at and DAB agreement to trust."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from napari_virtual_ihc.files import atomic_write_bytes
from napari_virtual_ihc.measures.dab_agreement import DabAgreement
from napari_virtual_ihc.measures.difference import GreyDifference
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.training.cards import plain_card
from napari_virtual_ihc.training.data import load
from napari_virtual_ihc.training.product import Product, centre, inference_state, spread
from napari_virtual_ihc.translation.plan import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_virtual_ihc.measures.dab_agreement import Agreement
    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.training.data import Pair, PairFolder
    from napari_virtual_ihc.training.settings import TrainingSettings

_SAMPLE_SIDE = 512
_SAMPLE_ROWS = 3


@dataclass(frozen=True)
class Verdict:
    """What held-out data say of a network.

    Attributes
    ----------
    figures
        Numbers for the model card.
    merit
        What the best weights are chosen by, more being better; None where it cannot be told.
    told
        More JSON values for the run's ``validation`` event.
    """

    figures: tuple[ValidationFigure, ...]
    merit: float | None
    told: dict[str, Any]

    def event(self) -> dict[str, Any]:
        """Return the JSON values of a ``validation`` event."""
        return {"figures": [figure.model_dump() for figure in self.figures]} | self.told


class Validator(Protocol):
    """How the loop looks at what a method trains."""

    def judge(self, weights: Mapping[str, Tensor]) -> Verdict:
        """Return what held-out data say of the artifact with these weights."""

    def sample(self, weights: Mapping[str, Tensor], path: Path) -> None:
        """Write a picture of what it does to held-out data, as PNG."""


@dataclass(frozen=True)
class HeldOut:
    """The pairs that validation uses.

    Attributes
    ----------
    pairs
        At most as many as asked for, evenly spread.
    load_size
        Side to which pictures are resized, as in training.
    mpp
        Scale after that, µm/px.
    where
        What they are, in words.
    """

    pairs: tuple[Pair, ...]
    load_size: int | None
    mpp: float
    where: str

    @classmethod
    def of(cls, data: PairFolder, load_size: int | None, mpp: float, limit: int) -> HeldOut:
        """Take the validation pairs, or a pair seen in training where none are held out."""
        pairs = data.validation or data.train[:1]
        where = "held-out pairs" if data.validation else "a training pair (none is held out)"
        chosen = tuple(pairs[i] for i in spread(len(pairs), max(1, limit)))
        return cls(chosen, load_size, mpp, where)

    def read(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return H&E and IHC, (h, w, 3) uint8."""
        return load(pair, self.load_size)


class Validation:
    """A `Validator` of generators: held-out H&E through the translator, against the real IHC.

    Parameters
    ----------
    method, settings
        Whose generator it is.
    held_out
        Pairs; their H&E together gives the statistics of instance norms, as on a slide.
    device
        Where it runs.

    Raises
    ------
    ModelError
        If the translator could not run such a generator.
    """

    def __init__(
        self, method: Method, settings: TrainingSettings, held_out: HeldOut, device: torch.device
    ) -> None:
        facts_of(plain_card(method, method.architecture()[1], settings, held_out.mpp))
        self._method = method
        self._settings = settings
        self.held_out = held_out
        self._device = device

    def product(self, weights: Mapping[str, Tensor]) -> Product:
        """Return the generator as it would run on a slide."""
        arguments, state = inference_state(self._method, weights)
        card = plain_card(self._method, arguments, self._settings, self.held_out.mpp)
        pictures = [self.held_out.read(pair)[0] for pair in self.held_out.pairs]
        return Product(card, state, pictures, self._device.type)

    def judge(self, weights: Mapping[str, Tensor]) -> Verdict:
        """Return DAB agreement and grey difference on the held-out pairs."""
        agreement, difference = self._compare(self.product(weights))
        merit = agreement.correlation.r
        told = {"dab": agreement.as_dict(), "grey": difference.compute()}
        return Verdict(as_figures(agreement), merit if np.isfinite(merit) else None, told)

    def _compare(self, product: Product) -> tuple[Agreement, GreyDifference]:
        """Return DAB agreement per square inside tissue, and the grey difference."""
        mpp, where = self.held_out.mpp, f"tissue, {self.held_out.where}"
        agreement = DabAgreement(mpp, DEFAULT_DAB.name, where=where)
        difference = GreyDifference()
        for pair in self.held_out.pairs:
            he, ihc = self.held_out.read(pair)
            virtual = product(he)
            agreement.update(positive(virtual), positive(ihc), tissue_mask(he, mpp))
            difference.update(virtual, ihc)
        return agreement.compute(), difference

    def sample(self, weights: Mapping[str, Tensor], path: Path) -> None:
        """Write H&E, virtual and real IHC of a few pairs, side by side, as PNG."""
        product, pairs = self.product(weights), self.held_out.pairs
        rows = [self._row(product, pairs[i]) for i in spread(len(pairs), _SAMPLE_ROWS)]
        height = min(row.shape[0] for row in rows)
        width = min(row.shape[1] for row in rows)
        write_png(path, np.concatenate([row[:height, :width] for row in rows]))

    def _row(self, product: Product, pair: Pair) -> NDArray[np.uint8]:
        pictures = self.held_out.read(pair)
        he, ihc = (centre(p, min(_SAMPLE_SIDE, *p.shape[:2])) for p in pictures)
        return np.concatenate([he, product(he), ihc], axis=1)


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


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture (h, w, 3), atomically."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    atomic_write_bytes(path, file.getvalue())
