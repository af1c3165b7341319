from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_ihc.errors import CacheError
from napari_virtual_ihc.tiles.cache import TileCache, tile_key
from napari_virtual_ihc.tiles.disk import DiskTiles
from napari_virtual_ihc.tiles.memory import MemoryTiles
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.tile_file import decode_tile, encode_tile

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.tiles.producer import Pixels


def key(n: int) -> str:
    return tile_key("producer", TileAddress(0, n, 0))


def tile(n: int, side: int = 16) -> Pixels:
    return np.random.default_rng(n).integers(0, 256, (side, side, 4), np.uint8)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.tile"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 10))
def test_a_tile_file_gives_the_same_bytes(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    read = decode_tile(key(1), encode_tile(key(1), pixels))
    assert read is not None
    np.testing.assert_array_equal(read, pixels)
    assert decode_tile(key(2), encode_tile(key(1), pixels)) is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_flipped_bit_or_cut_is_recognised(data: st.DataObject) -> None:
    content = bytearray(encode_tile(key(1), tile(1)))
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    assert decode_tile(key(1), bytes(content)) is None


def test_memory_stays_within_its_bound_and_forgets_the_least_recently_used() -> None:
    memory = MemoryTiles(5 * (16 * 16 * 4 + 200))
    for n in range(5):
        memory.put(key(n), tile(n))
    memory.get(key(0))
    memory.put(key(5), tile(5))
    assert memory.get(key(1)) is None
    assert memory.get(key(0)) is not None
    assert memory.usage() == (5 * 1224, 5)
    memory.set_bound(1224)
    assert memory.usage() == (1224, 1)


def test_blank_tiles_cost_next_to_nothing_and_keep_their_shape() -> None:
    memory = MemoryTiles(10_000)
    for n in range(20):
        memory.put(key(n), np.zeros((512, 512, 4), np.uint8))
    blank = memory.get(key(0))
    assert blank is not None
    assert blank.shape == (512, 512, 4)
    assert not blank.any()


def test_cached_pixels_cannot_be_changed_through_either_end() -> None:
    cache = TileCache(None, 1_000_000, 0)
    pixels = tile(1)
    cache.put(key(1), pixels)
    pixels[:] = 0
    held = cache.get(key(1))
    assert held is not None
    np.testing.assert_array_equal(held, tile(1))
    with pytest.raises(ValueError, match="read-only"):
        held[0, 0] = 1


def test_a_restart_finds_the_same_bytes_on_disk(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 1_000_000, 1_000_000)
    for n in range(30):
        cache.put(key(n), tile(n))
    assert cache.close()
    again = TileCache(tmp_path, 1_000_000, 1_000_000)
    for n in range(30):
        np.testing.assert_array_equal(again.get(key(n)), tile(n))
    assert again.stats().disk_tiles == 30
    assert again.stats().hits == 30
    assert again.get_memory(key(31)) is None
    again.clear()
    assert again.stats().disk_tiles == again.stats().memory_tiles == 0
    assert again.get(key(3)) is None


def test_pending_tiles_are_found_while_memory_has_no_room(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 3_000, 10_000_000)
    for n in range(200):
        cache.put(key(n), tile(n))
        np.testing.assert_array_equal(cache.get(key(max(n - 20, 0))), tile(max(n - 20, 0)))
    assert cache.flush()
    assert cache.close()
    assert cache.memory_bytes() <= 3_000


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(CacheError, match="uint8 YXC"):
        TileCache(None, 1_000_000, 0).put(key(1), np.zeros((4, 4, 4)))  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "swap", "folder"])
def test_a_damaged_file_is_a_miss_and_is_deleted(tmp_path: Path, damage: str) -> None:
    disk = DiskTiles(tmp_path, 1_000_000)
    disk.write(key(1), tile(1))
    disk.write(key(2), tile(2))
    one, two = (tmp_path / key(n)[:2] / f"{key(n)[2:]}.tile" for n in (1, 2))
    content = bytearray(one.read_bytes())
    if damage == "truncate":
        one.write_bytes(content[:-1])
    elif damage == "flip":
        content[-5] ^= 4
        one.write_bytes(content)
    elif damage == "empty":
        one.write_bytes(b"")
    elif damage == "swap":
        one.write_bytes(two.read_bytes())
    else:
        one.unlink()
        one.mkdir()
    assert disk.read(key(1)) is None
    assert not one.is_file()
    np.testing.assert_array_equal(disk.read(key(2)), tile(2))


def test_the_quota_holds_and_the_least_recently_used_go_first(tmp_path: Path) -> None:
    disk = DiskTiles(tmp_path, 60_000)
    for n in range(20):
        disk.write(key(n), tile(n))
        path = tmp_path / key(n)[:2] / f"{key(n)[2:]}.tile"
        os.utime(path, (time.time() - 10_000 + n,) * 2)
    assert disk.read(key(0)) is not None
    for n in range(20, 60):
        disk.write(key(n), tile(n))
        assert disk.usage()[0] <= 60_000
    assert disk.read(key(0)) is not None
    assert disk.read(key(1)) is None
    assert disk.read(key(59)) is not None
    disk.write(key(99), tile(99, side=256))
    assert disk.read(key(99)) is None


def test_lowering_the_bound_shrinks_the_folder(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 1_000_000, 1_000_000)
    for n in range(50):
        cache.put(key(n), tile(n))
    cache.flush()
    cache.set_bound(disk_bytes=20_000, memory_bytes=5_000)
    assert cache.memory_bytes() <= 5_000
    cache.put(key(50), tile(50))
    cache.close()
    assert cache.stats().disk_bytes <= 20_000


def test_a_full_disk_stops_writing_with_one_sentence_and_no_tile_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TileCache(tmp_path, 1_000_000, 1_000_000)
    cache.put(key(1), tile(1))
    cache.flush()
    written = os.write

    def full(handle: int, data: memoryview) -> int:
        if len(data) > 100:
            return written(handle, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for n in range(2, 10):
        cache.put(key(n), tile(n))
    assert cache.flush()
    monkeypatch.undo()
    assert cache.notice is not None
    assert "No space left on device" in cache.notice
    assert str(tmp_path) in cache.notice
    for n in range(1, 10):
        np.testing.assert_array_equal(cache.get(key(n)), tile(n))
    assert len(files(tmp_path)) == 1
    assert list((tmp_path / "tmp").iterdir()) == []
    cache.clear()
    assert cache.notice is None
    cache.put(key(2), tile(2))
    assert cache.close()
    assert len(files(tmp_path)) == 1


def test_a_read_only_folder_serves_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DiskTiles(tmp_path, 1_000_000).write(key(1), tile(1))
    opened = os.open

    def refuse(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    cache = TileCache(tmp_path, 1_000_000, 1_000_000)
    cache.put(key(2), tile(2))
    assert cache.flush()
    assert "Read-only file system" in (cache.notice or "")
    np.testing.assert_array_equal(cache.get(key(1)), tile(1))
    np.testing.assert_array_equal(cache.get(key(2)), tile(2))
    assert cache.close()


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = TileCache(tmp_path / "file" / "cache", 1_000_000, 1_000_000)
    cache.put(key(1), tile(1))
    assert cache.flush()
    assert cache.notice is not None
    assert cache.get(key(1)) is not None
    assert cache.stats().disk_tiles == 0
    assert cache.close()


def test_old_temporaries_are_swept_and_young_ones_left(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    old, young = tmp_path / "tmp" / "1-old", tmp_path / "tmp" / "2-young"
    for path in (old, young):
        path.write_bytes(b"half a tile")
    os.utime(old, (time.time() - 4000,) * 2)
    DiskTiles(tmp_path, 1_000_000).write(key(1), tile(1))
    assert young.exists()
    assert not old.exists()


def test_a_lock_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_bytes(b"")
    os.utime(lock, (time.time() - 100,) * 2)
    disk = DiskTiles(tmp_path, 10_000)
    for n in range(40):
        disk.write(key(n), tile(n))
    assert disk.usage()[0] <= 10_000
    assert not lock.exists()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 20_000, 1_000_000)
    wrong: list[int] = []

    def hammer(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for n in rng.integers(0, 40, 200).tolist():
            pixels = cache.get(key(n))
            if pixels is None:
                cache.put(key(n), tile(n))
            elif not np.array_equal(pixels, tile(n)):
                wrong.append(n)

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.close()
    assert wrong == []


def test_closing_ends_the_writer_and_later_puts_stay_in_memory(tmp_path: Path) -> None:
    before = threading.active_count()
    cache = TileCache(tmp_path, 1_000_000, 1_000_000)
    cache.put(key(1), tile(1))
    assert cache.close()
    assert threading.active_count() == before
    cache.put(key(2), tile(2))
    assert cache.get(key(2)) is not None
    assert len(files(tmp_path)) == 1
