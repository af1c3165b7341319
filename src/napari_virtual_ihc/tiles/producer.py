"""What makes tiles: the protocol that H&E, virtual, warped and heatmap layers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_virtual_ihc.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_virtual_ihc.tiles.grid import TileGrid

Pixels = NDArray[np.uint8]


def never() -> bool:
    """Never cancel."""
    return False


def unseen(address: TileAddress, tile: Pixels) -> None:
    """Take no notice of an unfinished tile."""


class TileAddress(NamedTuple):
    """Where a tile lies: level (0 is the producer's own grid, n is 2**n coarser), row, column."""

    level: int
    row: int
    col: int

    def ancestor(self, up: int) -> TileAddress:
        """Return the tile ``up`` levels coarser that covers this one."""
        return TileAddress(self.level + up, self.row >> up, self.col >> up)

    def children(self) -> tuple[TileAddress, TileAddress, TileAddress, TileAddress]:
        """Return the 2 × 2 tiles one level finer, row by row (some may lie off the grid)."""
        level, row, col = self.level - 1, 2 * self.row, 2 * self.col
        return (
            TileAddress(level, row, col),
            TileAddress(level, row, col + 1),
            TileAddress(level, row + 1, col),
            TileAddress(level, row + 1, col + 1),
        )


@dataclass(frozen=True)
class TileFailure:
    """A tile that could not be made, and why, in one sentence."""

    reason: str


class TileProducer(Protocol):
    """Makes the tiles of one layer; called from one worker thread only."""

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        ...

    @property
    def label(self) -> str:
        """Short name for progress and error texts."""
        ...

    @property
    def grid(self) -> TileGrid:
        """Grid of level 0."""
        ...

    @property
    def levels(self) -> int:
        """Levels it makes itself; coarser ones are derived from finished tiles (1 for models)."""
        ...

    @property
    def batch(self) -> int:
        """Most groups worth passing to one call of ``produce``."""
        ...

    @property
    def persist(self) -> bool:
        """Whether its tiles are worth keeping on disk."""
        ...

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the slide-anchored block that is computed together, ``address`` included."""
        ...

    def produce(
        self,
        addresses: Sequence[TileAddress],
        *,
        preview: Callable[[TileAddress, Pixels], None],
        cancelled: Callable[[], bool],
    ) -> Mapping[TileAddress, Pixels | TileFailure]:
        """Make whole groups of tiles, uint8 YX4 RGBA of the full tile side (cropped at the edges).

        Alpha 0 means blank: no tissue. The bytes depend on ``key`` and the address alone.

        Parameters
        ----------
        addresses
            Tiles of one or more groups, on native levels.
        preview
            Called with unfinished pixels of a tile; shown, never cached.
        cancelled
            True once nobody wants these tiles; ask between steps.

        Raises
        ------
        Cancelled
            If it stopped because ``cancelled`` said so.
        VirtualIhcError, MemoryError, RuntimeError
            If the whole call failed; the service counts its tiles as failed and goes on.
        """
        ...


class TileByTile(ABC):
    """What producers share whose tiles are made one by one, on one level unless they say more."""

    batch = 1
    levels = 1

    @abstractmethod
    def tile(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels | TileFailure:
        """Make one tile; see `TileProducer.produce`."""

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the tile alone."""
        return (address,)

    def produce(
        self,
        addresses: Sequence[TileAddress],
        *,
        preview: Callable[[TileAddress, Pixels], None],
        cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:
        """Make the tiles; see `TileProducer.produce`."""
        made: dict[TileAddress, Pixels | TileFailure] = {}
        for address in addresses:
            if cancelled():
                raise Cancelled
            made[address] = self.tile(address, cancelled)
        return made
