"""The same model asked in other ways that should not matter: turned, moved, stained otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.unmix import compose, unmix
from napari_virtual_ihc.stains.vectors import H_E
from napari_virtual_ihc.translation.blocks import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.answers import Made
    from napari_virtual_ihc.translation.loading import Loaded
    from napari_virtual_ihc.translation.translator import Translator

_ALGORITHM = "jittered/1"
STAIN = 0.15
"""Share by which one stain is made stronger and the other weaker."""


@dataclass(frozen=True)
class Jitter:
    """A change of what the model sees, which is undone in what it gives.

    Attributes
    ----------
    name
        In words.
    axes
        Axes of the picture that are mirrored.
    moved
        Pixels by which it is moved down and right against the network's lattice.
    amounts
        Factors of hematoxylin, eosin and what neither explains.
    """

    name: str
    axes: tuple[int, ...] = ()
    moved: int = 0
    amounts: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def there(self, pixels: Pixels) -> Pixels:
        """Return what the model sees of H&E, (h, w, 3)."""
        seen = np.flip(pixels, self.axes)
        if self.amounts != (1.0, 1.0, 1.0):
            seen = compose(unmix(seen, H_E) * np.array(self.amounts, np.float32), H_E)
        return np.ascontiguousarray(seen)

    def back(self, pixels: Pixels) -> Pixels:
        """Return what it gave in the place where it belongs; stains stay as they are."""
        return np.flip(pixels, self.axes)


def jitters(stride: int, *, mirrored: bool = True, moved: bool = True) -> tuple[Jitter, ...]:
    """Return the changes that are tried.

    Parameters
    ----------
    stride
        Of the network: it is moved by half of it.
    mirrored, moved
        Whether these changes are among them.
    """
    more, less, half = 1 + STAIN, 1 - STAIN, max(stride // 2, 1)
    sides = (
        Jitter("left and right swapped", axes=(1,)),
        Jitter("top and bottom swapped", axes=(0,)),
    )
    phase = (Jitter(f"moved by {half} px", moved=half),)
    stains = (
        Jitter(f"hematoxylin × {more:g}, eosin × {less:g}", amounts=(more, less, 1.0)),
        Jitter(f"hematoxylin × {less:g}, eosin × {more:g}", amounts=(less, more, 1.0)),
    )
    return (*(sides if mirrored else ()), *(phase if moved else ()), *stains)


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
        change = [list(jitter.axes), jitter.moved, list(jitter.amounts)]
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
        if self._jitter.moved:
            image = self._moved(loaded.core, cancelled)
        else:
            seen = self._jitter.there(loaded.pixels)
            image = self._jitter.back(translator.forwards.run(seen, loaded.core, cancelled))
        return dict(loaded.done) | dict(translator.loader.finish(loaded, image))

    def _moved(self, core: Window, cancelled: Callable[[], bool]) -> Pixels:
        """Return a core's pixels, cut from a wider forward that lies otherwise on the lattice."""
        translator, by = self._translator, self._jitter.moved
        plan, mpp = translator.plan, translator.grid.mpp
        wider = Window(core.y - by, core.x - by, core.h + plan.step, core.w + plan.step)
        read = wider.grown(plan.margin)
        pixels = translator.slide.region(read.y * mpp, read.x * mpp, read.h, read.w, mpp).pixels
        image = translator.forwards.run(pixels, wider, cancelled)
        return np.ascontiguousarray(image[by : by + core.h, by : by + core.w])


def under_jitter(translator: Translator) -> list[Translator | Jittered]:
    """Return a translator and the same under every change that its network allows.

    Statistics that differ from place to place allow no mirroring, and only exact networks with
    fixed statistics can be moved against their lattice.
    """
    mirrored = translator.mode != "dense"
    moved = translator.facts.exact and translator.mode in ("slide", "none")
    found = jitters(translator.facts.stride, mirrored=mirrored, moved=moved)
    return [translator, *(Jittered(translator, one) for one in found)]
