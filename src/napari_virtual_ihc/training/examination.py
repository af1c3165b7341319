"""Networks that serve other methods, on held-out pairs: figures of their own, and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.training.product import centre, network_of
from napari_virtual_ihc.training.sampling import to_rgb, to_tensor
from napari_virtual_ihc.training.validation import Validation, Verdict, write_png

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TypeGuard

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_virtual_ihc.methods.base import AuxiliaryMethod, Method
    from napari_virtual_ihc.training.settings import TrainingSettings
    from napari_virtual_ihc.training.validation import HeldOut, Validator

_STREAM = 3


class Examination:
    """A `Validator` of auxiliaries: each batch examined, figures averaged over pictures.

    Pictures are central crops of the training's crop size. The draws of a batch depend on its
    place among the held-out pairs alone, so that figures of different steps are comparable.

    Parameters
    ----------
    method
        Whose network it is.
    held_out
        Pairs to examine it on.
    device
        Where it runs.
    """

    def __init__(self, method: AuxiliaryMethod, held_out: HeldOut, device: torch.device) -> None:
        self._method = method
        self._held_out = held_out
        self._device = device

    @torch.no_grad()
    def judge(self, weights: Mapping[str, Tensor]) -> Verdict:
        """Return the method's figures; the first is what the best weights are chosen by."""
        network = network_of(self._method, weights, self._device)
        sums: dict[str, float] = {}
        for batch in self._batches():
            for name, value in self._method.examine(network, batch).items():
                sums[name] = sums.get(name, 0.0) + value * len(batch.he)
        return self._verdict({name: total / self._count for name, total in sums.items()})

    @torch.no_grad()
    def sample(self, weights: Mapping[str, Tensor], path: Path) -> None:
        """Write the method's picture of the first held-out pairs, as PNG."""
        network = network_of(self._method, weights, self._device)
        write_png(path, to_rgb(self._method.picture(network, next(self._batches()))))

    @property
    def _count(self) -> int:
        return len(self._held_out.pairs)

    def _verdict(self, means: Mapping[str, float]) -> Verdict:
        protocols = self._method.protocols
        figures = tuple(
            ValidationFigure(
                name=name,
                value=means[name],
                protocol=f"{protocol}; mean over {self._held_out.where}",
                n=self._count,
            )
            for name, protocol in protocols.items()
            if np.isfinite(means[name])
        )
        first = means[next(iter(protocols))]
        merit = first if self._method.better == "higher" else -first
        return Verdict(figures, merit if np.isfinite(merit) else None, {})

    def _batches(self) -> Iterator[Batch]:
        recipe, pairs = self._method.recipe, self._held_out.pairs
        for start in range(0, len(pairs), recipe.batch_size):
            chosen = pairs[start : start + recipe.batch_size]
            pictures = [self._held_out.read(pair) for pair in chosen]
            he, ihc = (self._stack([pair[side] for pair in pictures]) for side in (0, 1))
            names = tuple(str(p.path) for pair in chosen for p in (pair.he, pair.ihc))
            seed = int(np.random.default_rng([_STREAM, start]).integers(1 << 62))
            source = torch.Generator().manual_seed(seed)
            yield Batch(he, ihc, names, 0, recipe.total_epochs, source)

    def _stack(self, pictures: list[NDArray[np.uint8]]) -> Tensor:
        crop = self._method.recipe.crop_size
        return torch.stack([to_tensor(centre(p, crop)) for p in pictures]).to(self._device)


def validator_of(
    method: Method, settings: TrainingSettings, held_out: HeldOut, device: torch.device
) -> Validator:
    """Return how what ``method`` trains is judged; raises as `is_auxiliary` and `Validation` do."""
    if is_auxiliary(method):
        return Examination(method, held_out, device)
    return Validation(method, settings, held_out, device)


def is_auxiliary(method: Method) -> TypeGuard[AuxiliaryMethod]:
    """Return whether a method is judged by figures of its own.

    Raises
    ------
    UsageError
        If its artifact is no generator and it has no figures.
    """
    if method.artifact == "generator":
        return False
    if not all(hasattr(method, name) for name in ("protocols", "examine", "picture", "better")):
        raise UsageError(
            f"Method {method.name!r} trains an {method.artifact} and cannot examine it."
        )
    return True
