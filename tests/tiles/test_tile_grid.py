from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.producer import TileAddress

grids = st.builds(
    TileGrid,
    st.integers(1, 120),
    st.integers(1, 120),
    st.integers(1, 20).map(lambda half: 2 * half),
    st.just(0.5),
)


@settings(max_examples=60, deadline=None)
@given(grids)
def test_boxes_partition_the_extent(grid: TileGrid) -> None:
    count = np.zeros((grid.height, grid.width), int)
    for row in range(grid.rows):
        for col in range(grid.cols):
            y, x, h, w = grid.box(row, col)
            assert h > 0
            assert w > 0
            count[y : y + h, x : x + w] += 1
    assert (count == 1).all()


@settings(max_examples=60, deadline=None)
@given(grids, st.tuples(*[st.integers(-50, 170)] * 4))
def test_covering_is_exact(grid: TileGrid, edges: tuple[int, int, int, int]) -> None:
    y0, y1, x0, x1 = edges
    expected = set()
    for row in range(grid.rows):
        for col in range(grid.cols):
            y, x, h, w = grid.box(row, col)
            if max(y, y0) < min(y + h, y1) and max(x, x0) < min(x + w, x1):
                expected.add((row, col))
    given_ = list(grid.covering(y0, y1, x0, x1))
    assert len(given_) == len(set(given_))
    assert set(given_) == expected


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(1, 6))
def test_children_of_a_coarse_tile_cover_exactly_what_it_covers(grid: TileGrid, n: int) -> None:
    coarse, fine = grid.level(n), grid.level(n - 1)
    owner = np.full((fine.height, fine.width), -1)
    for row in range(coarse.rows):
        for col in range(coarse.cols):
            for child in TileAddress(n, row, col).children():
                if fine.holds(child.row, child.col):
                    y, x, h, w = fine.box(child.row, child.col)
                    owner[y : y + h, x : x + w] = row * coarse.cols + col
                    assert child.ancestor(1) == TileAddress(n, row, col)
    rows = np.arange(fine.height) // 2 // grid.tile
    cols = np.arange(fine.width) // 2 // grid.tile
    np.testing.assert_array_equal(owner, np.add.outer(rows * coarse.cols, cols))


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(0, 4), st.integers(0, 4))
def test_levels_compose(grid: TileGrid, a: int, b: int) -> None:
    assert grid.level(a).level(b) == grid.level(a + b)


@settings(max_examples=60, deadline=None)
@given(grids, st.integers(-3, 40), st.integers(-3, 40))
def test_spiral_gives_every_tile_once_and_moves_outwards(grid: TileGrid, r: int, c: int) -> None:
    places = list(grid.spiral(r, c))
    assert sorted(places) == [(i, j) for i in range(grid.rows) for j in range(grid.cols)]
    rings = [max(abs(i - r), abs(j - c)) for i, j in places]
    assert rings == sorted(rings)


@pytest.mark.parametrize("bad", [(0, 5, 4, 1.0), (5, 5, 3, 1.0), (5, 5, 4, 0.0), (5, 5, 0, 1.0)])
def test_impossible_grids_are_refused(bad: tuple[int, int, int, float]) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        TileGrid(*bad)


def test_tiles_off_the_grid_are_refused() -> None:
    with pytest.raises(IndexError, match="not on a grid of 2 × 3"):
        TileGrid(10, 20, 8, 1.0).box(2, 0)
