"""The same model asked in other ways that should not matter: turned, moved, stained otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.optical_density import from_od, to_od
from napari_virtual_ihc.translation.blocks import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.answers import Made
    from napari_virtual_ihc.translation.loading import Loaded
    from napari_virtual_ihc.translation.translator import Translator

_ALGORITHM = "jittered/2"
STAIN = 0.05
"""Share by which all stains are made stronger or weaker, as by a thicker or thinner section."""
MOST_WAVERING = 0.5
"""Share of the contrast of the last colour of a map; of clean tissue nearly all has less."""


@dataclass(frozen=True)
class Jitter:
    """A change of what the model sees, which is undone in what it gives.

    Attributes
    ----------
    axes
        Axes of the picture that are mirrored.
    moved
        Pixels by which it is moved down and right against the network's lattice.
    amount
        Factor of all optical densities; not undone.
    """

    axes: tuple[int, ...] = ()
    moved: int = 0
    amount: float = 1.0

    @property
    def name(self) -> str:
        """Return it in words."""
        words = [f"{_SIDES[axis]} swapped" for axis in self.axes]
        words += [f"moved by {self.moved} px"] if self.moved else []
        words += [f"stained × {self.amount:g}"] if self.amount != 1 else []
        return ", ".join(words) or "as it is"

    def there(self, pixels: Pixels) -> Pixels:
        """Return what the model sees of H&E, (h, w, 3)."""
        seen = np.flip(pixels, self.axes)
        return np.ascontiguousarray(
            seen if self.amount == 1 else from_od(to_od(seen) * np.float32(self.amount))
        )

    def back(self, pixels: Pixels) -> Pixels:
        """Return what it gave in the place where it belongs."""
        return np.flip(pixels, self.axes)


_SIDES = ("top and bottom", "left and right")


def jitters(stride: int, *, mirrored: bool = True, moved: bool = True) -> tuple[Jitter, ...]:
    """Return the changes that are tried, several at once so that few questions are enough.

    Parameters
    ----------
    stride
        Of the network: it is moved by half of it.
    mirrored, moved
        Whether these changes are among them.
    """
    half = max(stride // 2, 1) if moved else 0
    along, down = ((1,), (0,)) if mirrored else ((), ())
    return Jitter(along, half, 1 + STAIN), Jitter(down, 0, 1 - STAIN)


class Jittered:
    """A translator asked in another way; a `TileProducer` on the same grid.

    Networks, statistics and blocks are the translator's own, so that nothing but the change
    makes its tiles differ.

    Parameters
    ----------
    translator
        Prepared by whoever asks first.
    jitter
        The change.
    """

    batch = 1
    levels = 1

    def __init__(self, translator: Translator, jitter: Jitter) -> None:
        self._translator, self._jitter = translator, jitter
        self.label = f"{translator.label}, {jitter.name}"

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        jitter = self._jitter
        change = [list(jitter.axes), jitter.moved, jitter.amount]
        return hash_of(_ALGORITHM, self._translator.key, change)

    @property
    def persist(self) -> bool:
        """Whether tiles may be kept on disk; see `Translator.persist`."""
        return self._translator.persist

    @property
    def grid(self) -> TileGrid:
        """Grid of level 0."""
        return self._translator.grid

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the translator's block."""
        return self._translator.group(address)

    def produce(
        self, addresses: Sequence[TileAddress], *,
        preview: Callable[[TileAddress, Pixels], None], cancelled: Callable[[], bool],
    ) -> Made:  # fmt: skip
        """Return the blocks of ``addresses``, whole; see `TileProducer.produce`."""
        made: Made = {}
        for tiles in self._translator.plan.blocks(addresses):
            if cancelled():
                raise Cancelled
            made |= self._block(self._translator.load(tiles), cancelled)
        return made

    def _block(self, loaded: Loaded, cancelled: Callable[[], bool]) -> Made:
        translator = self._translator
        found = translator.statistics
        if loaded.core is None or (found is not None and not found.windows):
            return translator.compute(loaded, cancelled)
        image = self._asked(loaded.core, loaded.pixels, cancelled)
        return dict(loaded.done) | dict(translator.loader.finish(loaded, image))

    def _asked(self, core: Window, pixels: Pixels, cancelled: Callable[[], bool]) -> Pixels:
        """Return a core's pixels; where it is moved, cut from a forward that is a stride wider."""
        translator, by, wider = self._translator, self._jitter.moved, core
        if by:
            stride, mpp = translator.facts.stride, translator.grid.mpp
            wider = Window(core.y - by, core.x - by, core.h + stride, core.w + stride)
            read = wider.grown(translator.plan.margin)
            pixels = translator.slide.region(read.y * mpp, read.x * mpp, *read[2:], mpp).pixels
        image = translator.forwards.run(self._jitter.there(pixels), wider, cancelled)
        return np.ascontiguousarray(self._jitter.back(image)[core.inside(wider)])


def under_jitter(translator: Translator) -> list[Translator | Jittered]:
    """Return a translator and the same under every change that its network allows.

    Statistics that differ from place to place allow no mirroring, and only exact networks with
    fixed statistics can be moved against their lattice.
    """
    mirrored = translator.mode != "dense"
    moved = translator.facts.exact and translator.mode in ("slide", "none")
    found = jitters(translator.facts.stride, mirrored=mirrored, moved=moved)
    return [translator, *(Jittered(translator, one) for one in found)]
