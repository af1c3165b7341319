from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hammer import hammer, key_of, tile_of, wrong_files
from tile_fakes import wait_until

from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.disk import DiskTiles

SCRIPT = Path(__file__).with_name("hammer.py")


def start(*words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, words)])


@pytest.mark.parametrize("quota", [pytest.param(10**9, marks=pytest.mark.slow), 150_000])
def test_sixteen_processes_share_a_cache_while_files_are_damaged(
    tmp_path: Path, quota: int
) -> None:
    children = [start("hammer", tmp_path, seed, 120, quota) for seed in range(16)]
    assert [child.wait(timeout=120) for child in children] == [0] * 16
    held, _ = DiskTiles(tmp_path, quota).usage()
    assert held <= quota * 1.25
    assert list((tmp_path / "tmp").iterdir()) == []


def test_killed_writers_leave_right_tiles_or_none(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(4):
        children = [start("forever", tmp_path) for _ in range(4)]
        assert wait_until(lambda: len(list(tmp_path.glob("??/*.tile"))) > 5, 60)
        time.sleep(rng.random() * 0.3)
        for child in children:
            child.kill()
            child.wait()
        assert wrong_files(tmp_path) == []
    disk = DiskTiles(tmp_path, 10**9)
    for n in range(30):
        pixels = disk.read(key_of(n))
        assert pixels is None or np.array_equal(pixels, tile_of(n))
        disk.write(key_of(n), tile_of(n))
        np.testing.assert_array_equal(disk.read(key_of(n)), tile_of(n))
    assert disk.notice is None


def test_a_small_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        cache = TileCache(tmp_path / "cache", 10_000_000, 10**9)
        for n in range(40):
            cache.put(key_of(n), tile_of(n))
        assert cache.flush()
        assert "No space left on device" in (cache.notice or "")
        assert all(np.array_equal(cache.get(key_of(n)), tile_of(n)) for n in range(40))
        assert wrong_files(tmp_path / "cache") == []
        assert cache.close()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_one_process_hammers_alone(tmp_path: Path) -> None:
    assert hammer(str(tmp_path), 1, 100, 10**9) == 0
