from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tile_fakes import FakeProducer, truth

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.tiles.cache import TileCache, tile_key
from napari_virtual_ihc.tiles.derive import CoarseTiles, halve
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.tiles.producer import Pixels

GRID = TileGrid(330, 410, 32, 0.5)


def whole(level: int, grid: TileGrid = GRID) -> Pixels:
    if level > 0:
        return halve(whole(level - 1, grid))
    image = np.zeros((grid.height, grid.width, 4), np.uint8)
    for row, col in grid.covering(0, grid.height, 0, grid.width):
        y, x, h, w = grid.box(row, col)
        image[y : y + h, x : x + w] = truth(grid, TileAddress(0, row, col))
    return image


def crop(image: Pixels, address: TileAddress, grid: TileGrid = GRID) -> Pixels:
    y, x, h, w = grid.level(address.level).box(address.row, address.col)
    return image[y : y + h, x : x + w]


@settings(max_examples=100, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_halving_is_the_alpha_weighted_mean_rounded_half_up(pixels: Pixels) -> None:
    h, w = pixels.shape[:2]
    half = halve(pixels)
    assert half.shape == ((h + 1) // 2, (w + 1) // 2, 4)
    for i in range(half.shape[0]):
        for j in range(half.shape[1]):
            rows, cols = [min(2 * i + k, h - 1) for k in (0, 1)], [2 * j, min(2 * j + 1, w - 1)]
            block = [[int(v) for v in pixels[r, c]] for r in rows for c in cols]
            alpha = sum(p[3] for p in block)
            assert half[i, j, 3] == (alpha + 2) // 4
            for k in range(3):
                weights = [p[3] for p in block] if alpha else [1, 1, 1, 1]
                total = sum(p[k] * w for p, w in zip(block, weights, strict=True))
                assert half[i, j, k] == (total + sum(weights) // 2) // sum(weights)


def test_a_blank_tile_keeps_its_colour_beside_opaque_ones() -> None:
    pixels = np.array([[[250, 240, 230, 0], [250, 240, 230, 0]]] * 2, np.uint8)
    np.testing.assert_array_equal(halve(pixels), [[[250, 240, 230, 0]]])


def test_clear_pixels_do_not_darken_their_neighbours() -> None:
    pixels = np.array([[[200, 100, 50, 255], [0, 0, 0, 0]]] * 2, np.uint8)
    np.testing.assert_array_equal(halve(pixels), [[[200, 100, 50, 128]]])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([GRID, TileGrid(43, 61, 4, 1.0)]))
def test_coarse_tiles_do_not_depend_on_the_order_of_finished_tiles(
    seed: int, grid0: TileGrid
) -> None:
    rng = random.Random(seed)
    cache = TileCache(None, 10_000_000, 0)
    producer = FakeProducer(grid0)
    coarse = CoarseTiles(cache, producer)
    top = TileAddress(4, 0, 0)
    places = [TileAddress(0, r, c) for r in range(grid0.rows) for c in range(grid0.cols)]
    rng.shuffle(places)
    looked_after = rng.randrange(len(places))
    for i, address in enumerate(places):
        cache.put(tile_key("fake", address), truth(grid0, address))
        if i == looked_after:
            coarse.settle(top, lambda: False)
        coarse.fold(address, truth(grid0, address))
    assert coarse.settle(top, lambda: False).final
    for level in range(1, 5):
        image, grid = whole(level, grid0), grid0.level(level)
        for row, col in grid.covering(0, grid.height, 0, grid.width):
            address = TileAddress(level, row, col)
            pixels = cache.get_memory(tile_key("fake", address))
            assert pixels is not None
            np.testing.assert_array_equal(pixels, crop(image, address, grid0))


def test_a_coarse_tile_is_final_only_with_all_children_and_partly_clear_before() -> None:
    cache = TileCache(None, 10_000_000, 0)
    coarse = CoarseTiles(cache, FakeProducer(GRID))
    parent = TileAddress(1, 0, 0)
    assert coarse.settle(parent, lambda: False).pixels is None
    children = list(parent.children())
    for n, child in enumerate(children):
        assert list(coarse.missing(parent)) == children[n:]
        assert cache.get_memory(tile_key("fake", parent)) is None
        pixels = truth(GRID, child)
        cache.put(tile_key("fake", child), pixels)
        assert coarse.fold(child, pixels) == [parent]
        if n < 3:
            partial = cache.get_provisional(tile_key("fake", parent))
            assert partial is not None
            assert not partial[16:, 16:].any()
    final = cache.get_memory(tile_key("fake", parent))
    assert final is not None
    np.testing.assert_array_equal(final, crop(whole(1), parent))
    assert cache.get_provisional(tile_key("fake", parent)) is None


def test_coarse_tiles_come_from_disk_after_a_restart(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 10_000_000, 10_000_000)
    for child in TileAddress(2, 0, 0).ancestor(0).children():
        for leaf in child.children():
            cache.put(tile_key("fake", leaf), truth(GRID, leaf))
    cache.close()
    again = TileCache(tmp_path, 10_000_000, 10_000_000)
    settled = CoarseTiles(again, FakeProducer(GRID)).settle(TileAddress(2, 0, 0), lambda: False)
    again.close()
    assert settled.final
    np.testing.assert_array_equal(settled.pixels, crop(whole(2), TileAddress(2, 0, 0)))


def test_evicted_unfinished_tiles_are_made_again_from_their_children() -> None:
    cache = TileCache(None, 10_000_000, 0)
    coarse = CoarseTiles(cache, FakeProducer(GRID))
    parent = TileAddress(1, 0, 0)
    coarse.settle(parent, lambda: False)
    leaves = list(parent.children())
    for n, leaf in enumerate(leaves):
        pixels = truth(GRID, leaf)
        cache.put(tile_key("fake", leaf), pixels)
        if n == 2:
            for m in range(200):
                cache.put_provisional(
                    f"{m:032x}", np.arange(64 * 64 * 4, dtype=np.uint8).reshape(64, 64, 4)
                )
            assert cache.get_provisional(tile_key("fake", parent)) is None
        coarse.fold(leaf, pixels)
    settled = coarse.settle(parent, lambda: False)
    assert settled.final
    np.testing.assert_array_equal(settled.pixels, crop(whole(1), parent))


def test_looking_through_stops_when_nobody_waits() -> None:
    coarse = CoarseTiles(TileCache(None, 1_000_000, 0), FakeProducer(GRID))
    with pytest.raises(Cancelled):
        coarse.settle(TileAddress(3, 0, 0), lambda: True)
