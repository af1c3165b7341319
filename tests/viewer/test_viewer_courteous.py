from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.jobs import courtesy
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.widgets.courteous import Courteous

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADDRESS = TileAddress(0, 0, 0)


class Producer:
    """Makes nothing, and notes who is said to be busy meanwhile."""

    key, label, levels, batch, persist = "key", "label", 2, 3, False
    grid = TileGrid(64, 64, 32, 0.5)

    def __init__(self, error: Exception | None = None) -> None:
        self.said: list[list[str]] = []
        self.error = error

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        return (address,)

    def produce(
        self, addresses: Sequence[TileAddress], *, preview: object, cancelled: Callable[[], bool]
    ) -> dict[TileAddress, object]:
        self.said.append([file.name for file in courtesy._folder().iterdir()])
        if self.error:
            raise self.error
        return {}


def produce(courteous: Courteous) -> None:
    courteous.produce([ADDRESS], preview=lambda *_: None, cancelled=lambda: False)


def seen_by_a_training(device: str) -> bool:
    """Whether a process other than this one would see a window at work."""
    for file in courtesy._folder().glob(f"viewer.{device}.*.{os.getpid()}"):
        file.rename(file.with_suffix(".1"))
    return courtesy.busy("viewer", device)


def test_a_window_says_when_it_translates_and_shortly_after() -> None:
    producer = Producer()
    courteous = Courteous(producer, "cuda")
    produce(courteous)
    ((name,),) = producer.said
    assert name.startswith("viewer.cuda-0.")
    assert seen_by_a_training("cuda-0")
    assert not seen_by_a_training("cpu-0")


def test_a_failure_leaves_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[float] = []
    monkeypatch.setattr(courtesy, "say_busy", lambda party, device, seconds: said.append(seconds))
    (courtesy._folder()).mkdir(parents=True)
    with pytest.raises(MemoryError):
        produce(Courteous(Producer(MemoryError()), "cuda"))
    assert said[-1] <= 1.0 < said[0]


def test_a_training_that_goes_first_is_waited_for_a_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[tuple[str, str, float]] = []

    def wait(party: str, device: str, limit: float, give_up: Callable[[], bool]) -> float:
        waits.append((party, device, limit))
        return 0.0

    monkeypatch.setattr(courtesy, "wait_while_busy", wait)
    produce(Courteous(Producer(), "mps"))
    assert waits == [("training", "mps-0", 0.25)]


def test_everything_else_is_the_producer_s() -> None:
    producer = Producer()
    courteous = Courteous(producer, "cpu")
    names = ("key", "label", "levels", "batch", "persist", "grid")
    assert all(getattr(courteous, name) is getattr(producer, name) for name in names)
    assert courteous.group(ADDRESS) == (ADDRESS,)
