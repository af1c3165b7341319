"""How far from an output pixel the input that it depends on can lie (normalisation frozen)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.networks.resnet import ResnetConfig

_Interval = tuple[int, int]
_Step = Callable[[_Interval], _Interval]


def dependency_radius(config: ResnetConfig) -> int:
    """Return the radius in input pixels by propagating an output pixel's interval backwards.

    The maximum over the 2**n_downsampling phases of the output pixel.
    """
    steps = list(_backward(config))
    phases: int = 2**config.n_downsampling
    return max(_reach(pixel, steps) for pixel in range(phases))


def halo(config: ResnetConfig) -> int:
    """Return `dependency_radius` rounded up to a whole number of the network's strides."""
    stride: int = 2**config.n_downsampling
    return -(-dependency_radius(config) // stride) * stride


def _reach(pixel: int, steps: list[_Step]) -> int:
    interval = (pixel, pixel)
    for step in steps:
        interval = step(interval)
    return max(pixel - interval[0], interval[1] - pixel)


def _backward(config: ResnetConfig) -> Iterator[_Step]:
    yield _conv(7)
    for _ in range(config.n_downsampling):
        if config.antialias_up:
            yield _conv(3)
        yield _blur_up if config.antialias_up else _transposed_up
    for _ in range(2 * config.n_blocks):
        yield _conv(3)
    for _ in range(config.n_downsampling):
        if config.antialias:
            yield _conv(3, stride=2)
        yield _conv(3, stride=1 if config.antialias else 2)
    yield _conv(7)


def _conv(kernel: int, stride: int = 1) -> _Step:
    reach = kernel // 2
    return lambda interval: (interval[0] * stride - reach, interval[1] * stride + reach)


def _blur_up(interval: _Interval) -> _Interval:
    return (interval[0] - 1) // 2, (interval[1] + 1) // 2


def _transposed_up(interval: _Interval) -> _Interval:
    return interval[0] // 2, (interval[1] + 1) // 2
