"""How a training step reaches weights: gradients scaled, averaged over processes, clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightning_fabric import Fabric
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.training.world import World


class FabricEngine:
    """Gradients and weights: averaged over processes, unscaled, clipped where the recipe asks.

    Parameters
    ----------
    fabric
        Its precision scales float16 losses.
    world
        The processes that share the batch.
    clip_norm
        Largest gradient norm of an optimiser's group, None to leave gradients as they are.
    """

    def __init__(self, fabric: Fabric, world: World, clip_norm: float | None) -> None:
        self._fabric = fabric
        self._world = world
        self._clip_norm = clip_norm
        self._scaler: torch.amp.GradScaler | None = scaler_of(fabric)
        self._stepped: set[Optimizer] = set()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""
        self._fabric.backward(loss)

    def step(self, optimiser: Optimizer) -> None:
        """Make the gradients those of the whole batch, then let ``optimiser`` change its weights.

        An optimiser without any gradient changes nothing.
        """
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        average_gradients(self._world, parameters)
        if all(parameter.grad is None for parameter in parameters):
            return
        if self._scaler is None:
            self._clip(optimiser)
            optimiser.step()
        else:
            self._scaled_step(optimiser, self._scaler)

    def _scaled_step(self, optimiser: Optimizer, scaler: torch.amp.GradScaler) -> None:
        """Step unless a gradient overflowed, in which case the scale falls."""
        if optimiser in self._stepped:
            self.end_step()
        scaler.unscale_(optimiser)
        self._clip(optimiser)
        scaler.step(optimiser)
        self._stepped.add(optimiser)

    def end_step(self) -> None:
        """Adapt the scale of float16 gradients, once for all optimisers of a training step."""
        if self._scaler is not None and self._stepped:
            self._scaler.update()
            self._stepped.clear()

    def _clip(self, optimiser: Optimizer) -> None:
        if self._clip_norm is not None:
            for group in optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self._clip_norm)


def scaler_of(fabric: Fabric) -> torch.amp.GradScaler | None:
    """Return what scales the gradients of a fabric, None where nothing needs to."""
    found: torch.amp.GradScaler | None = getattr(fabric.strategy.precision, "scaler", None)
    return found


def average_gradients(world: World, parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their means over the processes.

    A parameter that got none in one process counts as zero there; one that got none anywhere keeps
    none.
    """
    held = list(parameters)
    if world.alone or not held:
        return
    flat = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.reshape(-1) for p in held]
    there = torch.tensor([float(p.grad is not None) for p in held], device=held[0].device)
    joined = torch.cat([*flat, there])
    world.mean(joined)
    means = torch.split(joined[: -len(held)], [p.numel() for p in held])
    for parameter, mean, share in zip(held, means, joined[-len(held) :].tolist(), strict=True):
        if share > 0:
            fresh = torch.empty_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = fresh.copy_(mean.view(parameter.shape))


def average_buffers(world: World, networks: Iterable[nn.Module]) -> None:
    """Replace what networks note of their inputs (batch-norm statistics) by the processes' means.

    Other floating-point buffers are functions of the weights, the same everywhere, and stay so.
    """
    if world.alone:
        return
    noted = [
        buffer
        for network in networks
        for module in network.modules()
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)
        for buffer in (module.running_mean, module.running_var)
        if buffer is not None
    ]
    if noted:
        joined = torch.cat([buffer.flatten() for buffer in noted])
        world.mean(joined)
        parts = torch.split(joined, [buffer.numel() for buffer in noted])
        for buffer, mean in zip(noted, parts, strict=True):
            buffer.copy_(mean.view(buffer.shape))
