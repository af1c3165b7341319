from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.cli.cache import parse_size
from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.tiles.disk import DiskTiles

if TYPE_CHECKING:
    from pathlib import Path


def fill(tiles: int) -> Path:
    folder = load_settings().cache_dir
    disk = DiskTiles(folder, 10**9)
    for n in range(tiles):
        noise = np.random.default_rng(n).integers(0, 256, (16, 16, 4), np.uint8)
        disk.write(f"{n * 7919:032x}", noise)
    return folder


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["cache", *words, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "virtual-ihc/cache/1"
    assert answer["command"] == f"cache {words[0]}"
    return answer


def test_show_counts_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "show")["tiles"] == 0
    folder = fill(10)
    answer = ask(capsys, "show")
    assert answer["tiles"] == 10
    assert answer["disk_bytes"] == sum(path.stat().st_size for path in folder.glob("??/*.tile"))
    assert answer["disk_bound_bytes"] == 2_000_000_000


def test_bound_is_kept_and_holds_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    fill(40)
    answer = ask(capsys, "bound", "20kB", "--memory", "64MB")
    assert 0 < answer["disk_bytes"] <= 20_000
    assert load_settings().cache_disk_bytes == 20_000
    assert load_settings().cache_memory_bytes == 64_000_000


def test_clear_deletes_every_tile(capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(10)
    answer = ask(capsys, "clear")
    assert answer["freed_bytes"] > 10_000
    assert answer["tiles"] == 0
    assert list(folder.glob("??/*.tile")) == []


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1500", 1500), ("2GB", 2 * 10**9), ("1.5 m", 1_500_000)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "2 GiB", "many", "1e9"])
def test_what_is_no_size_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)


def test_wrong_use_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "bound", "lots"]) == 2
    assert run(["cache", "bound", "1GB", "--memory", "10kB"]) == 2
    assert "give at least 1MB" in capsys.readouterr().err
