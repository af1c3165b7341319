from __future__ import annotations

import random
import statistics
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tile_fakes import FakeProducer, truth, wait_until

from napari_virtual_ihc.errors import CacheError
from napari_virtual_ihc.tiles.cache import TileCache, tile_key
from napari_virtual_ihc.tiles.derive import halve
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.level import TileLevel
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.tiles.service import TileService
from napari_virtual_ihc.tiles.shapes import chunks, level_shapes
from napari_virtual_ihc.tiles.window import parse

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels

GRID = TileGrid(250, 390, 32, 0.5)


def whole(grid: TileGrid, shape: tuple[int, ...], key: str = "fake") -> Pixels:
    image = np.zeros(shape, np.uint8)
    for row, col in grid.covering(0, grid.height, 0, grid.width):
        y, x, h, w = grid.box(row, col)
        image[y : y + h, x : x + w] = truth(grid, TileAddress(0, row, col), key)
    return image


def level(pyramid: TilePyramid, n: int) -> TileLevel:
    found = pyramid.levels[n]
    assert isinstance(found, TileLevel)
    return found


def settled(pyramid: TilePyramid) -> bool:
    progress = pyramid.progress()
    return progress.wanted == progress.done


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_level_shapes_are_exact_halves_that_hold_the_slide(height: int, width: int) -> None:
    shapes = level_shapes(height, width)
    factors = np.divide(shapes[0], shapes)
    np.testing.assert_array_equal(factors, [(2**n, 2**n) for n in range(len(shapes))])
    assert len(shapes) >= 2
    assert max(shapes[-1]) <= 1024
    unit = 2 ** (len(shapes) - 1)
    assert 0 <= shapes[0][0] - height < unit
    assert 0 <= shapes[0][1] - width < unit
    for n, shape in enumerate(shapes):
        grid = TileGrid(height, width, 512, 1.0).level(n)
        assert grid.height <= shape[0]
        assert grid.width <= shape[1]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10_000), st.sampled_from([256, 512]))
def test_chunks_sum_to_the_side(side: int, tile: int) -> None:
    sizes = chunks(side, tile)
    assert sum(sizes) == side
    assert all(0 < size <= tile for size in sizes)
    assert all(size == tile for size in sizes[:-1])


ends = st.one_of(st.none(), st.integers(-60, 60))
axes = st.one_of(
    st.slices(40), st.builds(slice, ends, ends), st.integers(-33, 32), st.just(slice(None))
)
indices = st.one_of(
    st.tuples(axes, axes, st.one_of(st.slices(4), st.integers(-4, 3))),
    st.tuples(axes, axes),
    st.tuples(axes, st.just(Ellipsis)),
    st.tuples(st.just(Ellipsis), st.integers(-4, 3)),
    axes,
    st.just(Ellipsis),
    st.builds(lambda y, x: (slice(np.int64(y), np.int32(y + 9)), np.intp(x)),
              st.integers(0, 20), st.integers(0, 32)),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(indices)
def test_indexing_is_numpys(index: object) -> None:
    image = np.arange(33 * 33 * 4, dtype=np.uint32).astype(np.uint8).reshape(33, 33, 4)
    window = parse(index, (33, 33, 4))
    block = np.zeros((len(window.rows), len(window.cols), 4), np.uint8)
    for y in range(0, 33, 8):
        for x in range(0, 33, 8):
            rows, from_rows = window.rows.inside(y, min(y + 8, 33))
            cols, from_cols = window.cols.inside(x, min(x + 8, 33))
            block[rows, cols] = image[y : y + 8, x : x + 8][from_rows, from_cols]
    np.testing.assert_array_equal(window.cut(block), image[index])  # type: ignore[index]


@pytest.mark.parametrize("index", [33, -34, (0, 0, 0, 0), "a", (0.5, 1), np.array([1, 2])])
def test_what_is_no_window_is_refused(index: object) -> None:
    with pytest.raises(IndexError):
        parse(index, (33, 33, 4))


def test_a_level_is_a_duck_array(cache: TileCache, service: TileService) -> None:
    pyramid = TilePyramid(FakeProducer(GRID), service, cache, overview_px=64)
    levels = pyramid.levels
    assert [lvl.shape for lvl in levels] == [(256, 392, 4), (128, 196, 4), (64, 98, 4), (32, 49, 4)]
    assert isinstance(levels[-1], np.ndarray)
    first = level(pyramid, 0)
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.size == 256 * 392 * 4
    assert first.chunks == ((32,) * 8, (32,) * 12 + (8,), (4,))
    assert not np.asarray(first).any()
    huge = TilePyramid(FakeProducer(TileGrid(100_000, 100_000, 512, 1.0)), service, cache)
    with pytest.raises(CacheError, match="too many"):
        np.asarray(huge.levels[0])


def test_looking_brings_the_truth_and_nothing_is_made_twice(
    cache: TileCache, service: TileService
) -> None:
    producer = FakeProducer(GRID, block=2)
    pyramid = TilePyramid(producer, service, cache, overview_px=64)
    image = whole(GRID, (256, 392, 4))
    first = level(pyramid, 0)
    assert not first[40:200, 50:300].any()
    assert wait_until(lambda: settled(pyramid))
    np.testing.assert_array_equal(first[40:200, 50:300], image[40:200, 50:300])
    np.testing.assert_array_equal(first[199:40:-3, 299, :3], image[199:40:-3, 299, :3])
    first[:, :]
    assert wait_until(lambda: settled(pyramid))
    np.testing.assert_array_equal(first[...], image)
    assert set(producer.made.values()) == {1}


def test_coarse_levels_come_from_finished_tiles(cache: TileCache, service: TileService) -> None:
    producer = FakeProducer(GRID)
    pyramid = TilePyramid(producer, service, cache, overview_px=16, descend=2)
    image = whole(GRID, (GRID.height, GRID.width, 4))
    level(pyramid, 3)[...]
    time.sleep(0.1)
    assert producer.calls == []
    level(pyramid, 2)[0:32, 0:32]
    assert wait_until(lambda: level(pyramid, 2)[0:32, 0:32, 3].any() and settled(pyramid))
    assert sum(producer.made.values()) == 16
    expected = halve(halve(image))
    assert wait_until(lambda: np.array_equal(level(pyramid, 2)[:32, :32], expected[:32, :32]))
    level(pyramid, 3)[...]
    coarse = halve(expected)
    assert wait_until(lambda: np.array_equal(level(pyramid, 3)[:16, :16], coarse[:16, :16]))
    assert not level(pyramid, 3)[16:, 16:].any()
    assert sum(producer.made.values()) == 16


def test_filling_makes_the_whole_slide_and_its_overview(
    cache: TileCache, service: TileService
) -> None:
    producer = FakeProducer(GRID)
    pyramid = TilePyramid(producer, service, cache, overview_px=64)
    pyramid.watch_overview()
    pyramid.fill((100.0, 100.0))
    assert wait_until(lambda: pyramid.progress().background == GRID.rows * GRID.cols, 30)
    image = whole(GRID, (GRID.height, GRID.width, 4))
    expected = halve(halve(halve(image)))
    height, width = expected.shape[:2]
    assert wait_until(lambda: np.array_equal(pyramid.compose_overview()[:height, :width], expected))
    pyramid.set_overview(pyramid.compose_overview())
    np.testing.assert_array_equal(pyramid.levels[-1][:height, :width], expected)


def test_a_failed_tile_is_hatched_at_every_level(cache: TileCache, service: TileService) -> None:
    producer = FakeProducer(GRID)
    bad = TileAddress(0, 1, 1)
    producer.faults = {bad: MemoryError()}
    pyramid = TilePyramid(producer, service, cache, overview_px=64)
    level(pyramid, 0)[0:96, 0:96]
    assert wait_until(lambda: pyramid.failed == {bad: "Out of memory."})
    assert wait_until(lambda: settled(pyramid))
    np.testing.assert_array_equal(level(pyramid, 0)[32:64, 32:64], hatch(32, 32, 32, 32))
    np.testing.assert_array_equal(level(pyramid, 1)[16:32, 16:32], hatch(16, 16, 16, 16))
    producer.faults = {}
    assert pyramid.retry() == 1
    level(pyramid, 0)[0:96, 0:96]
    assert wait_until(lambda: settled(pyramid))
    np.testing.assert_array_equal(level(pyramid, 0)[32:64, 32:64], truth(GRID, bad))


def test_levels_of_a_slide_show_coarser_pixels_meanwhile(
    cache: TileCache, service: TileService
) -> None:
    producer = FakeProducer(GRID, levels=4, persist=False)
    producer.gate = threading.Event()
    overview = np.random.default_rng(0).integers(0, 256, (32, 49, 4), np.uint8)
    pyramid = TilePyramid(producer, service, cache, overview, overview_px=64)
    expected = overview.repeat(8, axis=0).repeat(8, axis=1)[:250, :390]
    np.testing.assert_array_equal(level(pyramid, 0)[:250, :390], expected)
    coarse = np.random.default_rng(1).integers(0, 256, (32, 32, 4), np.uint8)
    cache.put(tile_key("fake", TileAddress(2, 1, 2)), coarse, disk=False)
    expected[128:256, 256:384] = coarse.repeat(4, axis=0).repeat(4, axis=1)[:122]
    np.testing.assert_array_equal(level(pyramid, 0)[:250, :390], expected)
    producer.gate.set()
    assert wait_until(lambda: settled(pyramid))
    image = whole(GRID, (256, 392, 4))
    np.testing.assert_array_equal(level(pyramid, 0)[...], image)


def test_indexing_never_waits(cache: TileCache, service: TileService) -> None:
    producer = FakeProducer(TileGrid(100_000, 100_000, 512, 0.5))
    producer.gate = threading.Event()
    pyramid = TilePyramid(producer, service, cache)
    first, times = level(pyramid, 0), []
    for n in range(30):
        start = time.perf_counter()
        first[50_000 + 700 * n : 51_024 + 700 * n, 50_000:51_600, :]
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.05
    assert producer.made == {}
    pyramid.close()


def test_threads_may_index_at_once(cache: TileCache, service: TileService) -> None:
    pyramid = TilePyramid(FakeProducer(GRID), service, cache, overview_px=64)
    image, wrong = whole(GRID, (256, 392, 4)), []

    def look(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            y, x = rng.randrange(200), rng.randrange(300)
            seen = level(pyramid, 0)[y : y + 50, x : x + 80]
            right = (seen == image[y : y + 50, x : x + 80]).all(axis=2)
            wrong.extend([y, x] for _ in range(1) if not (right | ~seen.any(axis=2)).all())

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("seed", range(4))
def test_pixels_do_not_depend_on_the_camera(tmp_path_factory: pytest.TempPathFactory,
                                            seed: int) -> None:  # fmt: skip
    rng = random.Random(seed)
    image = whole(GRID, (256, 392, 4))
    coarse = halve(image[: GRID.height, : GRID.width])
    folder = tmp_path_factory.mktemp("camera")
    for visit in range(3):
        cache = TileCache(folder, rng.choice([300_000, 5_000_000]), 5_000_000)
        if visit and rng.random() < 0.5:
            cache.clear()
        service = TileService(cache, "camera")
        options = {"batch": rng.randint(1, 4), "block": rng.randint(1, 3)}
        producer = FakeProducer(GRID, seconds=rng.choice([0.0, 0.002]), **options)
        pyramid = TilePyramid(producer, service, cache, overview_px=64)
        wander(pyramid, producer, rng)
        for y, x in [(rng.randrange(200), rng.randrange(300)) for _ in range(4)]:
            look_and_wait(pyramid, 0, slice(y, y + 64), slice(x, x + 64))
            np.testing.assert_array_equal(
                level(pyramid, 0)[y : y + 64, x : x + 64], image[y : y + 64, x : x + 64]
            )
        y, x = rng.randrange(60), rng.randrange(120)
        look_and_wait(pyramid, 1, slice(y, y + 40), slice(x, x + 40))
        np.testing.assert_array_equal(
            level(pyramid, 1)[y : y + 40, x : x + 40], coarse[y : y + 40, x : x + 40]
        )
        assert service.close()
        assert cache.close()


def wander(pyramid: TilePyramid, producer: FakeProducer, rng: random.Random) -> None:
    tiles = [TileAddress(0, row, col) for row, col in GRID.covering(0, 250, 0, 390)]
    producer.faults = dict.fromkeys(rng.sample(tiles, 10), MemoryError())
    for _ in range(25):
        y, x, n = rng.randrange(220), rng.randrange(350), rng.randrange(3)
        step = rng.choice([1, 1, 1, 3])
        level(pyramid, n)[y >> n : (y >> n) + 70 : step, x >> n : (x >> n) + 90 : step]
        time.sleep(rng.random() * 0.005)
    producer.faults = {}


def look_and_wait(pyramid: TilePyramid, n: int, rows: slice, cols: slice) -> None:
    end = time.monotonic() + 10
    pyramid.retry()
    while time.monotonic() < end:
        level(pyramid, n)[rows, cols]
        if wait_until(lambda: settled(pyramid), 0.2) and not pyramid.failed:
            grid = GRID.level(n)
            places = grid.covering(rows.start, rows.stop, cols.start, cols.stop)
            keys = [tile_key("fake", TileAddress(n, *place)) for place in places]
            if all(pyramid._cache.get_memory(key) is not None for key in keys):
                return
        pyramid.retry()
        time.sleep(0.005)
    raise AssertionError("the view never became whole")
