"""The processes that train one model together, as ``torchrun`` starts them; usually one alone.

Every process holds the same weights and takes its share of every batch; gradients are averaged
before each step. So a batch of b pictures in each of n processes is one batch of n·b pictures,
wherever a loss is a mean over pictures. Three things know the pictures of their own process only:
batch normalisation and pooled instance normalisation (statistics), losses that weigh or contrast
pictures against each other (ASP's weights, negatives from the whole batch), and image pools.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import torch
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from napari_virtual_ihc.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)
"""How long processes wait for one that validates; a process that dies is noticed at once."""
_FAILURE = "failure"


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, over all nodes (rank) and on this one (local rank)."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def here(cls) -> Place:
        """Return the place that ``torchrun`` gave this process; alone where it did not start it."""
        if not dist.is_available() or not dist.is_torchelastic_launched():
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        return cls(*(int(os.environ[name]) for name in names))

    @property
    def first(self) -> bool:
        """Whether this process writes the run folder, validates and talks to the user."""
        return self.rank == 0


ALONE = Place()


class World:
    """What the processes of one training say to each other; nothing where one is alone.

    Enter it before use. Every method must be called by all processes in the same order.

    Parameters
    ----------
    place
        Of this process.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._store: Store | None = None

    @property
    def alone(self) -> bool:
        """Whether there is one process only."""
        return self.place.size == 1

    def __enter__(self) -> Self:
        """Meet the other processes."""
        if not self.alone:
            rank, size = self.place.rank, self.place.size
            self._store = next(rendezvous("env://", rank, size, timeout=_PATIENCE))[0]
            store = PrefixStore("world", self._store)
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            with self._together():
                dist.init_process_group(
                    backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Part; after a failure, leave word of it: the end of the process is noticed by all."""
        if error is not None:
            self._tell_failure(str(error) or type(error).__name__)
        elif not self.alone:
            dist.destroy_process_group()

    def mean(self, tensor: Tensor) -> None:
        """Replace ``tensor`` by its mean over the processes, in place; the same bits in all."""
        if not self.alone:
            with self._together():
                dist.all_reduce(tensor)
            tensor.div_(self.place.size)

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return, flag by flag, whether any process says yes."""
        if self.alone:
            return list(flags)
        said = torch.tensor(flags, dtype=torch.int32)
        with self._together():
            dist.all_reduce(said, dist.ReduceOp.MAX)
        return [bool(flag) for flag in said.tolist()]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank; they must be picklable and on the CPU."""
        if self.alone:
            return [value]
        values: list[T] = [value] * self.place.size
        with self._together():
            dist.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what ``make`` gives in the first process."""
        if self.alone:
            return make()
        said = [make()] if self.place.first else [None]
        with self._together():
            dist.broadcast_object_list(said)
        told: T = said[0]  # type: ignore[assignment]
        return told

    def _tell_failure(self, message: str) -> None:
        """Leave word of what ended this process, unless another one failed before."""
        if self._store is not None:
            try:
                sentence = f"Process {self.place.rank} of this training failed: {message}"
                self._store.compare_set(_FAILURE, "", sentence)
            except RuntimeError:
                return

    def _first_failure(self) -> str:
        try:
            if self._store is not None and self._store.check([_FAILURE]):
                told: bytes = self._store.get(_FAILURE)
                return told.decode()
        except RuntimeError:
            pass
        return "Another process of this training ended."

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Turn the loss of another process into a sentence about it."""
        try:
            yield
        except RuntimeError as error:
            raise JobError(self._first_failure()) from error
