"""Forwards of one network over windows of a slide, made smaller where memory runs out.

An exact model's window may be cut into smaller forwards. The pixels keep their bytes where the
device sums a pixel the same way whatever the forward's size; that is tried on a fixed picture at
the moment it matters. Where it does not hold, and on the CPU as a GPU's last resort, at least 99.9
% of pixels are within `TOLERANCE` grey levels, it is said, and such tiles are not kept on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.backends.base import is_out_of_memory
from napari_virtual_ihc.translation.blocks import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.translation.backends.base import Backend, Bytes

TOLERANCE = 3
_SMALLEST = 128


class Runner(Protocol):
    """A backend that knows where on the slide its input lies."""

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        ...

    @property
    def divisible(self) -> bool:
        """Whether a core may be cut into smaller forwards (not where the norms are live)."""
        ...

    def __call__(self, pixels: Bytes, core: Window, cancelled: Callable[[], bool]) -> Bytes:
        """Return the core, (h, w, 3) uint8, of input (h + 2m, w + 2m, 3)."""
        ...

    def release(self) -> None:
        """Give cached memory back."""
        ...


def unseen(image: Bytes) -> None:
    """Take no notice of an unfinished picture."""


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

    Attributes
    ----------
    faithful
        Whether pixels still have the bytes they would have with memory enough.
    """

    def __init__(
        self, runner: Runner, fallback: Callable[[], Runner] | None, *, margin: int, side: int,
        step: int, notify: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.runner = runner
        self.faithful = True
        self._fallback = fallback
        self._margin = margin
        self._sides = _halving(side, step)
        self._stride = step
        self._step = -1
        self._notify = notify

    @property
    def backend(self) -> Backend:
        """What runs the network at present."""
        return self.runner.backend

    def run(
        self, pixels: Bytes, core: Window, cancelled: Callable[[], bool],
        preview: Callable[[Bytes], None] = unseen,
    ) -> Bytes:  # fmt: skip
        """Return the core's pixels, (h, w, 3) uint8.

        Parameters
        ----------
        pixels
            (h + 2 margin, w + 2 margin, 3) uint8 around ``core``.
        preview
            Never told anything: one pass has no unfinished pixels.

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
            self._cut()
            return
        if self._fallback is None:
            raise MemoryError("The smallest forward does not fit into memory.") from error
        self.runner, self._fallback, self._step = self._fallback(), None, -1
        self.faithful = False
        self._notify(
            "The device ran out of memory; tiles are computed on the CPU from now on and may "
            f"differ by up to {TOLERANCE} grey levels."
        )

    def _cut(self) -> None:
        self._step += 1
        side = self._sides[self._step]
        told = f"Memory ran out; tiles are computed in pieces of {side} px from now on"
        half = max(side // 2 // self._stride, 1) * self._stride
        if not same_in_pieces(self.runner, self._margin, side, half):
            self.faithful = False
            told += f" and may differ by up to {TOLERANCE} grey levels"
        self._notify(f"{told}.")


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


def same_in_pieces(runner: Runner, margin: int, side: int, half: int) -> bool:
    """Return whether one forward of ``side`` px gives the same bytes as pieces of ``half``.

    On a fixed picture of noise; also True where memory does not suffice even for that, since the
    next smaller forward is then tried the same way.
    """
    noise = np.random.default_rng(0).integers(0, 256, (side + 2 * margin,) * 2 + (3,), np.uint8)
    core = Window(0, 0, side, side)
    try:
        whole = runner(noise, core, never)
        cut = in_pieces(runner, noise, core, margin, half, never)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        runner.release()
        return True
    return bool(np.array_equal(whole, cut))


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
