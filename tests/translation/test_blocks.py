from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.translation.blocks import BlockPlan, Window


@st.composite
def plans(draw: st.DrawFn) -> BlockPlan:
    tile = draw(st.sampled_from((64, 128, 512)))
    sides = st.integers(1, 5 * tile)
    grid = TileGrid(draw(sides), draw(sides), tile, 0.5)
    margin = 4 * draw(st.integers(0, 30))
    blended = draw(st.booleans())
    step = draw(st.sampled_from((32, 64))) if not blended else 32
    return BlockPlan(grid, draw(st.integers(1, 4)), margin, step, 2 * margin if blended else 0)


@given(plans())
def test_blocks_partition_the_grid_and_every_tile_names_its_own(plan: BlockPlan) -> None:
    blocks = list(plan.all_blocks())
    tiles = [tile for block in blocks for tile in block]
    assert len(tiles) == len(set(tiles)) == plan.grid.rows * plan.grid.cols
    for block in blocks:
        assert all(plan.members(tile) == block for tile in block)
    assert list(plan.blocks(reversed(tiles))) != []
    assert set(plan.blocks(tiles)) == set(blocks)


@given(plans(), st.data())
def test_a_core_covers_its_tiles_and_lies_in_the_blocks(
    plan: BlockPlan, data: st.DataObject
) -> None:
    block = data.draw(st.sampled_from(list(plan.all_blocks())))
    some = data.draw(st.sets(st.sampled_from(block), min_size=1))
    outer, core = plan.core(block), plan.core(some)
    assert (core.h + plan.extra) % plan.step == (core.w + plan.extra) % plan.step == 0
    for tile in some:
        assert _inside(plan.box(tile), core)
    if not plan.extra:
        assert _inside(core, outer)
        assert core.y % plan.grid.tile == core.x % plan.grid.tile == 0


def test_a_block_is_cropped_to_the_slide_and_raised_to_the_step() -> None:
    plan = BlockPlan(TileGrid(700, 1200, 512, 0.5), 2, 96, 32)
    assert plan.core(plan.members(TileAddress(0, 1, 2))) == Window(0, 1024, 704, 192)
    assert Window(0, 1024, 704, 192).grown(96) == Window(-96, 928, 896, 384)


def _inside(small: Window, large: Window) -> bool:
    return (
        small.y >= large.y
        and small.x >= large.x
        and small.y + small.h <= large.y + large.h
        and small.x + small.w <= large.x + large.w
    )
