"""What all our methods share: networks drawn from a seed, Adam, and what a step must remember."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.methods.base import Artifact  # noqa: TC001
from napari_virtual_ihc.methods.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_virtual_ihc.methods.base import Batch, Engine

R = TypeVar("R", bound=Recipe)


class Learner(ABC, Generic[R]):
    """A method with networks, optimisers and a memory; see `methods.base.Method`.

    By default every network has an Adam of its own, under its letter; a method with other groups
    overrides `_build_optimisers`.
    """

    recipe_type: ClassVar[type[Recipe]]
    artifact: ClassVar[Artifact] = "generator"
    fidelity: ClassVar[str] = "published code"
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def __init__(self, recipe: R, seed: int) -> None:
        self.recipe = recipe
        self.memory: dict[str, Tensor] = {}
        self.notes: tuple[str, ...] = ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.networks = self._build_networks()
        self.optimisers = self._build_optimisers()

    @classmethod
    def build(cls, recipe: Recipe, seed: int) -> Self:
        """Return the method with fresh networks and optimisers; UsageError for a foreign recipe."""
        if not isinstance(recipe, cls.recipe_type):
            raise UsageError(f"A {type(recipe).__name__} is not a recipe of {cls.__name__}.")
        return cls(cast("R", recipe), seed)

    @abstractmethod
    def _build_networks(self) -> dict[str, nn.Module]:
        """Return the networks by letter; the random state is the seed's."""

    def _build_optimisers(self) -> dict[str, Optimizer]:
        return {
            name: self._adam(network.parameters())
            for name, network in self.networks.items()
            if any(True for _ in network.parameters())
        }

    def _adam(self, parameters: Iterable[nn.Parameter], lr: float | None = None) -> Optimizer:
        recipe = self.recipe
        rate = recipe.lr if lr is None else lr
        group = {"params": list(parameters), "initial_lr": rate}
        return Adam([group], lr=rate, betas=(recipe.beta1, recipe.beta2))

    def generator(self) -> nn.Module:
        """Return G, or what the method trains in its place."""
        return self.networks["G"]

    @abstractmethod
    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and JSON arguments of the architecture of `generator`."""

    @abstractmethod
    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step and return the named losses, detached scalars."""


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let ``network`` pass gradients on without collecting any while the context lasts."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
