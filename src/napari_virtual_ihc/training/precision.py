"""The numbers a training computes with: which precision, and where it ends.

Passes through networks run under autocast, their results are float32; everything between passes
(losses, softmax, penalties, weights and their steps) is float32. Within a pass, instance-norm
statistics and spectral normalisation keep to float32 by themselves.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.translation.backends.choose import choose, has_bf16_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.training.settings import Precision
    from napari_virtual_ihc.training.world import Place

_ACCELERATORS = {"cuda": "gpu"}


def make_fabric(device: str, precision: Precision, place: Place) -> Fabric:
    """Return lightning-fabric on this process's device, at a settled precision.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    UsageError
        If the machine has no such device, or it does not do the precision.
    """
    kind = choose(device, "torch", "fp32", folded=False).device
    if kind == "cuda":
        _take_gpu(place.local_rank)
    return Fabric(
        accelerator=_ACCELERATORS.get(kind, kind),
        devices=[place.local_rank] if kind == "cuda" else 1,
        precision=settled(precision, kind),
        plugins=[LightningEnvironment()],
    )


def _take_gpu(number: int) -> None:
    present = torch.cuda.device_count()
    if number >= present:
        raise UsageError(
            f"Each process needs a GPU of its own, and this machine has {present}; start fewer "
            "processes, or take --device cpu."
        )
    torch.cuda.set_device(number)


def settled(precision: Precision, device: str) -> str:
    """Return the precision in effect on a kind of device (``cpu``, ``cuda``, ``mps``).

    ``auto`` is ``bf16-mixed`` where the hardware multiplies bf16, else ``32-true``.

    Raises
    ------
    UsageError
        For float16 elsewhere than on a CUDA GPU, where gradients could not be scaled.
    """
    if precision == "16-mixed" and device != "cuda":
        raise UsageError(f"Precision '16-mixed' needs a CUDA GPU; take 'bf16-mixed' on {device}.")
    if precision != "auto":
        return precision
    if device == "cuda":
        units = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        units = device == "cpu" and has_bf16_units()
    return "bf16-mixed" if units else "32-true"


def run_in(network: nn.Module, fabric: Fabric) -> None:
    """Let every pass through ``network`` run under the fabric's autocast and give float32.

    A pass is any public method that the network's own classes define, such as ``forward`` or
    ``features``. The network changes to a subclass of its class, so that copies of it run alike.
    """
    if fabric.strategy.precision.precision == "32-true":
        return
    kind = type(network)
    passes = {name: _cast(method, fabric) for name, method in _passes(kind).items()}
    network.__class__ = type(kind.__name__, (kind,), passes)


def _passes(kind: type[nn.Module]) -> dict[str, Callable[..., Any]]:
    own = kind.__mro__[: kind.__mro__.index(nn.Module)]
    names = {name for part in own for name in vars(part) if not name.startswith("_")}
    names -= set(vars(nn.Module)) - {"forward"}
    found = {name: inspect.getattr_static(kind, name) for name in names}
    return {name: member for name, member in found.items() if inspect.isfunction(member)}


def _cast(method: Callable[..., Any], fabric: Fabric) -> Callable[..., Any]:
    precision = fabric.strategy.precision

    @wraps(method)
    def cast(*arguments: Any, **named: Any) -> Any:
        with precision.forward_context():
            result = method(*arguments, **named)
        return precision.convert_output(result)

    return cast
