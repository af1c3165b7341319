"""Forwards of one network over windows of a slide, made smaller where memory runs out.

Where a window may be cut into smaller forwards (exact models on a CPU, whose sums do not depend on
a forward's size), the pixels keep their bytes; the last resort is the CPU, whose pixels differ from
a GPU's by at most `CPU_TOLERANCE` grey levels for 99.9 % of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_virtual_ihc.translation.backends.base import is_out_of_memory
from napari_virtual_ihc.translation.blocks import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.translation.backends.base import Backend, Bytes

CPU_TOLERANCE = 3
_SMALLEST = 128


class Runner(Protocol):
    """A backend that knows where on the slide its input lies."""

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        ...

    @property
    def divisible(self) -> bool:
        """Whether a core cut into smaller forwards has the same bytes."""
        ...

    def __call__(self, pixels: Bytes, core: Window, cancelled: Callable[[], bool]) -> Bytes:
        """Return the core, (h, w, 3) uint8, of input (h + 2m, w + 2m, 3)."""
        ...

    def release(self) -> None:
        """Give cached memory back."""
        ...


class Forwards:
    """Runs windows, in smaller pieces or elsewhere after memory ran out.

    Parameters
    ----------
    runner
        The network on its device.
    fallback
        Makes the same network on the CPU; None where it runs there already.
    margin
        Pixels around a core in its input.
    side
        Side in px of the first smaller forward, a multiple of the network's stride.
    step
        The network's stride.
    notify
        Told each kind of fallback once.
    """

    def __init__(
        self, runner: Runner, fallback: Callable[[], Runner] | None, *, margin: int, side: int,
        step: int, notify: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.runner = runner
        self.on_fallback = False
        self._fallback = fallback
        self._margin = margin
        self._sides = _halving(side, step)
        self._step = -1
        self._notify = notify

    def run(self, pixels: Bytes, core: Window, cancelled: Callable[[], bool]) -> Bytes:
        """Return the core's pixels, (h, w, 3) uint8.

        Parameters
        ----------
        pixels
            (h + 2 margin, w + 2 margin, 3) uint8 around ``core``.

        Raises
        ------
        MemoryError
            If even the smallest forward on the CPU does not fit.
        """
        while True:
            try:
                return self._run(pixels, core, cancelled)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._smaller(error)

    def _run(self, pixels: Bytes, core: Window, cancelled: Callable[[], bool]) -> Bytes:
        if self._step < 0:
            return self.runner(pixels, core, cancelled)
        side = self._sides[self._step]
        return in_pieces(self.runner, pixels, core, self._margin, side, cancelled)

    def _smaller(self, error: BaseException) -> None:
        self.runner.release()
        if self.runner.divisible and self._step + 1 < len(self._sides):
            self._step += 1
            side = self._sides[self._step]
            self._notify(f"Memory ran out; tiles are computed in pieces of {side} px from now on.")
            return
        if self._fallback is None:
            raise MemoryError("The smallest forward does not fit into memory.") from error
        self.runner, self._fallback, self._step = self._fallback(), None, -1
        self.on_fallback = True
        self._notify(
            "The device ran out of memory; tiles are computed on the CPU from now on and may "
            f"differ by up to {CPU_TOLERANCE} grey levels."
        )


def in_pieces(
    runner: Runner, pixels: Bytes, core: Window, margin: int, side: int,
    cancelled: Callable[[], bool],
) -> Bytes:  # fmt: skip
    """Return the core's pixels, (h, w, 3) uint8, from forwards of at most ``side`` px."""
    around = core.grown(margin)
    out = np.empty((core.h, core.w, 3), np.uint8)
    for part in parts(core, side):
        inside = part.grown(margin).inside(around)
        out[part.inside(core)] = runner(pixels[inside], part, cancelled)
    return out


def divisible_in_fact(runner: Runner, margin: int, side: int) -> bool:
    """Return whether one forward of ``side`` px and four of half that give the same bytes here.

    For devices that choose an algorithm by shape; on a fixed picture of noise.
    """
    noise = np.random.default_rng(0).integers(0, 256, (side + 2 * margin,) * 2 + (3,), np.uint8)
    core = Window(0, 0, side, side)
    try:
        whole = runner(noise, core, _never)
        cut = in_pieces(runner, noise, core, margin, side // 2, _never)
        return bool(np.array_equal(whole, cut))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        runner.release()
        return False


def _never() -> bool:
    return False


def parts(core: Window, side: int) -> list[Window]:
    """Return ``core`` cut into pieces of at most ``side`` px."""
    return [
        core._replace(y=y, x=x, h=min(side, core.y + core.h - y), w=min(side, core.x + core.w - x))
        for y in range(core.y, core.y + core.h, side)
        for x in range(core.x, core.x + core.w, side)
    ]


def _halving(side: int, step: int) -> list[int]:
    sides = []
    while side >= _SMALLEST and side % step == 0:
        sides.append(side)
        side //= 2
    return sides
