"""What a published method is to the loop: a recipe, networks, and one training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.recipe import Recipe

Artifact = Literal["generator", "score", "auxiliary", "estimator", "encoder"]


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes
    ----------
    he, ihc
        (B, 3, H, W) float32 in [-1, 1]; pixel-aligned where the recipe asks for pairs.
    names
        File names of the pictures, for messages.
    step
        0-based step.
    epoch
        1-based epoch, as schedules count.
    generator
        CPU source of every random draw of the step, seeded from (seed, step).
    first, whole
        Where several processes share a batch: place of the first picture here in the whole
        batch, and how many pictures that has (all are here where None).
    """

    he: Tensor
    ihc: Tensor
    names: tuple[str, ...]
    step: int
    epoch: int
    generator: torch.Generator
    first: int = 0
    whole: int | None = None

    @property
    def share(self) -> tuple[int, int, int]:
        """Place of the first picture in the whole batch, pictures here, and in the whole batch."""
        here = len(self.he)
        return self.first, here, here if self.whole is None else self.whole

    def per_picture(self, draw: Callable[[int], Tensor]) -> Tensor:
        """Return what ``draw`` gives for the pictures here, along the first axis.

        ``draw`` is asked for the whole batch, so that a picture gets the same numbers however
        many processes share it.
        """
        first, here, whole = self.share
        return draw(whole)[first : first + here]


class Engine(Protocol):
    """How a step reaches gradients and weights; the loop decides precision, clipping, devices."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""

    def step(self, optimiser: Optimizer) -> None:
        """Let ``optimiser`` change its weights."""


class Method(Protocol):
    """A published method, ready to train.

    Attributes
    ----------
    name
        Name on the command line and in the registry.
    title
        Name of the paper's method, with authors and year.
    recipe_type
        Its recipe class, whose fields are the ablation switches.
    presets
        Recipes by name; ``paper`` and ``smoke`` always exist.
    ablations
        Row of the paper's ablation table → the settings (``field=value``) that make it.
    fidelity
        What the method was written from: ``published code``, or the paper alone, in words.
    artifact
        What `generator` returns: a generator, or a network that serves other methods.
    networks
        Networks by the paper's letters. Frozen ones (loaded priors) may be among them.
    optimisers
        Optimisers by letter, each group with its ``initial_lr``.
    memory
        Tensors besides weights that the next step depends on (image pools, moving averages);
        saved and restored with the weights, so that a resumed run is the unbroken one. Before
        the first step the loop puts them on the networks' device; each process has its own.
    notes
        Sentences for the card of what comes out, such as what was left out and why.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]
    presets: ClassVar[Mapping[str, Recipe]]
    ablations: ClassVar[Mapping[str, tuple[str, ...]]]
    fidelity: ClassVar[str]
    artifact: ClassVar[Artifact]
    networks: dict[str, nn.Module]
    optimisers: dict[str, Optimizer]
    memory: dict[str, Tensor]
    notes: tuple[str, ...]

    @property
    def recipe(self) -> Recipe:
        """The settings it was built with."""

    @classmethod
    def build(cls, recipe: Recipe, seed: int) -> Self:
        """Build the networks with weights drawn from ``seed``, and their optimisers.

        Raises
        ------
        UsageError
            If the recipe is another method's.
        """

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step and return the named losses, detached scalars."""

    def generator(self) -> nn.Module:
        """Return the network that translates H&E to IHC."""

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the generator's architecture name and arguments, as a model card stores them."""


class AuxiliaryMethod(Method, Protocol):
    """A method whose artifact serves other methods and makes no IHC; judged by figures of its own.

    Attributes
    ----------
    protocols
        Figure → how it is made, in words, as the model card states it.
    better
        Which values of the first figure are the better ones; the best weights are kept by it.
    """

    protocols: ClassVar[Mapping[str, str]]
    better: ClassVar[Literal["higher", "lower"]]

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return the figures of one held-out batch; the loop averages them over all batches."""

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return (3, H, W) in [-1, 1], pictures side by side that show what it does."""
