"""One call to a producer: which tiles, what came of it; no threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.tiles.producer import TileProducer
    from napari_virtual_ihc.tiles.wishes import WishList

Results = dict[TileAddress, Pixels | TileFailure]


class Stop:
    """Asks whether work is still wanted and remembers having said no."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.said = False

    def __call__(self) -> bool:
        """Return whether to stop."""
        self.said = self.said or self._ask()
        return self.said


@dataclass(frozen=True, eq=False)
class Job:
    """Whole groups of one producer, to be made in one call."""

    producer: TileProducer
    groups: tuple[tuple[TileAddress, ...], ...]
    background: bool

    @property
    def addresses(self) -> tuple[TileAddress, ...]:
        """Every tile of the job."""
        return tuple(address for group in self.groups for address in group)


def next_job(wishes: WishList) -> Job:
    """Take whole groups off a list's missing tiles, nearest first, at most a batch of them."""
    groups: list[tuple[TileAddress, ...]] = []
    while len(groups) < max(wishes.producer.batch, 1):
        address = wishes.missing.first()
        if address is None:
            break
        group = tuple(wishes.producer.group(address))
        for member in (address, *group):
            wishes.missing.discard(member)
        groups.append(group if address in group else (address,))
    return Job(wishes.producer, tuple(groups), wishes.background)


def make(job: Job, preview: Callable[[TileAddress, Pixels], None], stop: Stop) -> Results:
    """Run a job and return what was made or failed; nothing for tiles left undone on ``stop``.

    Where a call with several groups fails, each group is tried by itself, so that one bad group
    costs its own tiles only.
    """
    try:
        made = job.producer.produce(job.addresses, preview=preview, cancelled=stop)
    except (Cancelled, MemoryError, RuntimeError, OSError, VirtualIhcError) as error:
        if stop():
            return {}
        if len(job.groups) > 1:
            return _one_by_one(job, preview, stop)
        return dict.fromkeys(job.addresses, TileFailure(reason_of(error)))
    results: Results = {}
    if not stop.said:
        nothing = TileFailure(f"{job.producer.label} made no pixels.")
        results.update(dict.fromkeys(job.addresses, nothing))
    for address, tile in made.items():
        results[address] = _fitting(job.producer, address, tile)
    return results


def reason_of(error: BaseException | None) -> str:
    """Return one sentence for an error."""
    if isinstance(error, MemoryError):
        return f"Out of memory: {error}" if str(error) else "Out of memory."
    return str(error) or type(error).__name__


def _one_by_one(job: Job, preview: Callable[[TileAddress, Pixels], None], stop: Stop) -> Results:
    results: Results = {}
    for group in job.groups:
        results |= make(Job(job.producer, (group,), job.background), preview, stop)
    return results


def _fitting(
    producer: TileProducer, address: TileAddress, tile: Pixels | TileFailure
) -> Pixels | TileFailure:
    if isinstance(tile, TileFailure):
        return tile
    expected = (*producer.grid.level(address.level).box(address.row, address.col)[2:], 4)
    if tile.shape == expected and tile.dtype == np.uint8:
        return tile
    return TileFailure(
        f"{producer.label} made a {tile.dtype} tile of shape {tile.shape} instead of {expected}."
    )
