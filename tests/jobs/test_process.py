from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.jobs.process import ProcessIdentity

if TYPE_CHECKING:
    from pathlib import Path


def test_one_of_many_claims_wins(tmp_path: Path) -> None:
    place = tmp_path / "writer.json"
    with ThreadPoolExecutor(16) as pool:
        owners = list(pool.map(lambda _: ProcessIdentity.claim(place), range(64)))
    assert owners.count(None) == 1
    assert set(owners) - {None} <= {ProcessIdentity.current()}


@pytest.mark.parametrize("left", ["dead", "damaged"])
def test_what_a_crash_left_is_taken_over(tmp_path: Path, left: str) -> None:
    place = tmp_path / "writer.json"
    if left == "dead":
        me = ProcessIdentity.current()
        ProcessIdentity(me.pid, me.started - 100, me.host).write(place)
    else:
        place.write_text("{")
    assert ProcessIdentity.claim(place) is None
    assert ProcessIdentity.read(place) == ProcessIdentity.current()


def test_a_living_owner_keeps_it(tmp_path: Path) -> None:
    place = tmp_path / "writer.json"
    parent = ProcessIdentity.of(os.getppid())
    parent.write(place)
    assert ProcessIdentity.claim(place) == parent
    assert ProcessIdentity.read(place) == parent
