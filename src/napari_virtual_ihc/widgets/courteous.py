"""Virtual tiles made with regard for a training on the same device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.jobs import courtesy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileFailure, TileProducer

_BUSY_S = 30.0
_LINGER_S = 1.0
_WAY_S = 0.25
"""Longest wait, per block of tiles, for a training that has the device first."""


class Courteous:
    """A `TileProducer` that says when it works, and waits a little where a training goes first.

    For a moment after each call it is still said to work, since in a busy window the next call
    follows at once.

    Parameters
    ----------
    producer
        Makes the tiles.
    device
        Where, such as ``cuda``; the first of its kind.
    """

    def __init__(self, producer: TileProducer, device: str) -> None:
        self._producer = producer
        self._device = f"{device}-0"

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        return self._producer.key

    @property
    def label(self) -> str:
        """Short name for progress and error texts."""
        return self._producer.label

    @property
    def grid(self) -> TileGrid:
        """Grid of level 0."""
        return self._producer.grid

    @property
    def levels(self) -> int:
        """Levels it makes itself."""
        return self._producer.levels

    @property
    def batch(self) -> int:
        """Most groups worth passing to one call."""
        return self._producer.batch

    @property
    def persist(self) -> bool:
        """Whether its tiles are worth keeping on disk."""
        return self._producer.persist

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the block that is computed together."""
        return self._producer.group(address)

    def produce(
        self,
        addresses: Sequence[TileAddress],
        *,
        preview: Callable[[TileAddress, Pixels], None],
        cancelled: Callable[[], bool],
    ) -> Mapping[TileAddress, Pixels | TileFailure]:
        """Make the tiles; see `TileProducer.produce`."""
        courtesy.wait_while_busy("training", self._device, _WAY_S, cancelled)
        courtesy.say_busy("viewer", self._device, _BUSY_S)
        try:
            return self._producer.produce(addresses, preview=preview, cancelled=cancelled)
        finally:
            courtesy.say_busy("viewer", self._device, _LINGER_S)
