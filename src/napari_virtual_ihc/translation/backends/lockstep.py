"""Every tile through a network at once, layer by layer, so that statistics can be pooled exactly.

The statistics of a norm are taken over all tiles together before any of them goes on, as one
instance normalisation over their concatenation would: deeper layers see jointly normalised input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.node import Node, map_arg
from torch.nn import functional as F

from napari_virtual_ihc.errors import Cancelled, ModelError
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm
from napari_virtual_ihc.translation.backends.torch_backend import exact_arithmetic, to_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.translation.backends.base import Bytes

Layers = dict[str, tuple["NDArray[np.float32]", "NDArray[np.float32]"]]
"""Mean and biased variance, each (C,), of each norm's input, by the norm's qualified name."""


class _Tracer(fx.Tracer):
    """Keeps every module without children, and every norm, as one step."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, FreezableInstanceNorm) or not list(m.children())


class _Lockstep:
    def __init__(self, steps: nn.Module, prefix: str, tiles: list[Tensor], margin: int) -> None:
        self.graph = _Tracer().trace(steps)
        self.prefix = prefix
        self.modules = dict(steps.named_modules())
        self.side = tiles[0].shape[-1]
        self.margin = margin
        self.values: list[dict[Node, Tensor]] = [{} for _ in tiles]
        self.tiles = tiles
        self.layers: Layers = {}
        self._freed = _last_uses(self.graph)

    def step(self, node: Node, tick: Callable[[], None]) -> None:
        layer = self.modules[str(node.target)] if node.op == "call_module" else None
        pooled = None
        if isinstance(layer, FreezableInstanceNorm):
            source = node.args[0]
            assert isinstance(source, Node)
            pooled = pool([values[source] for values in self.values], self._crop)
            self.layers[f"{self.prefix}{node.target}"] = pooled
        for tile, values in zip(self.tiles, self.values, strict=True):
            tick()
            values[node] = self._apply(node, layer, pooled, tile, values)
            for used in self._freed.get(node, ()):
                del values[used]

    def _apply(
        self, node: Node, layer: nn.Module | None, pooled: Any, tile: Tensor,
        values: dict[Node, Tensor],
    ) -> Tensor:  # fmt: skip
        if node.op == "placeholder":
            return tile
        args: Any = map_arg(node.args, lambda used: values[used])
        kwargs: Any = map_arg(node.kwargs, lambda used: values[used])
        if isinstance(layer, FreezableInstanceNorm):
            mean, var = (torch.from_numpy(part).to(args[0].device) for part in pooled)
            return F.batch_norm(args[0], mean, var, eps=layer.eps)
        if layer is not None:
            out: Tensor = layer(*args, **kwargs)
            return out
        if node.op == "call_function" and callable(node.target):
            result: Tensor = node.target(*args, **kwargs)
            return result
        raise ModelError(f"Step {node.name!r} of the network cannot be calibrated.")

    def _crop(self, side: int) -> int:
        return self.margin * side // self.side


def lockstep_statistics(
    network: nn.Module, windows: Sequence[Bytes], margin: int, device: str,
    progress: Callable[[int, int], None], cancelled: Callable[[], bool],
) -> Layers:  # fmt: skip
    """Return each instance norm's statistics, pooled over all windows layer by layer.

    Parameters
    ----------
    network
        In eval mode with live statistics. Where all its layers lie in ``network.model``, that is
        walked, so that its own forward may check its input; else its forward is.
    windows
        Square (3, S, S) uint8 RGB, S a multiple of the network's stride.
    margin
        Pixels at each side of a window that are context only and never counted.
    device
        Where it runs, in float32 without TF32.
    progress
        Called with steps done and steps in all.
    cancelled
        Asked between steps.

    Returns
    -------
    float32 from float64 sums whose order does not depend on threads or time.

    Raises
    ------
    Cancelled
        If ``cancelled`` said so.
    """
    place = torch.device(device)
    steps, prefix = _steps(network)
    steps.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode(), exact_arithmetic():
        tiles = [
            to_unit(torch.from_numpy(np.ascontiguousarray(window)).to(place)[None]).contiguous(
                memory_format=torch.channels_last
            )
            for window in windows
        ]
        walk = _Lockstep(steps, prefix, tiles, margin)
        nodes = [node for node in walk.graph.nodes if node.op != "output"]
        ticker = _Ticker(len(nodes) * len(tiles), progress, cancelled)
        for node in nodes:
            walk.step(node, ticker)
    return walk.layers


def _steps(network: nn.Module) -> tuple[nn.Module, str]:
    """Return what is walked, and what precedes its norms' names in the network."""
    if [name for name, _ in network.named_children()] == ["model"]:
        return network.get_submodule("model"), "model."
    return network, ""


def pool(
    values: Sequence[Tensor], crop: Callable[[int], int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and biased variance of (1, C, H, W) tensors together, borders left out."""
    totals, squares, count = [], [], 0
    for value in values:
        edge = crop(value.shape[-1])
        inner = value[0, :, edge : value.shape[2] - edge, edge : value.shape[3] - edge]
        inner = inner.double().contiguous()
        totals.append(_row_sums(inner))
        squares.append(_row_sums(inner * inner))
        count += inner.shape[1] * inner.shape[2]
    mean = np.sum(totals, axis=0) / count
    var = np.maximum(np.sum(squares, axis=0) / count - mean * mean, 0)
    return mean.astype(np.float32), var.astype(np.float32)


def _row_sums(value: Tensor) -> NDArray[np.float64]:
    """Return (C,) sums of (C, H, W): rows on the device, then columns in one thread."""
    rows: NDArray[np.float64] = value.sum(dim=-1).cpu().numpy()
    sums: NDArray[np.float64] = rows.sum(axis=-1)
    return sums


class _Ticker:
    def __init__(
        self, total: int, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
    ) -> None:
        self._done, self._total = 0, total
        self._progress, self._cancelled = progress, cancelled

    def __call__(self) -> None:
        if self._cancelled():
            raise Cancelled
        self._done += 1
        self._progress(self._done, self._total)


def _last_uses(graph: fx.Graph) -> dict[Node, list[Node]]:
    last: dict[Node, Node] = {}
    for node in graph.nodes:
        for used in node.all_input_nodes:
            last[used] = node
    freed: dict[Node, list[Node]] = {}
    for used, node in last.items():
        freed.setdefault(node, []).append(used)
    return freed
