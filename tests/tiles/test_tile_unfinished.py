"""An unfinished tile cannot be taken for a finished one."""

from __future__ import annotations

import numpy as np

from napari_virtual_ihc.tiles.unfinished import marked_unfinished


def test_an_unfinished_tile_is_seen_through_and_framed() -> None:
    tile = np.full((40, 60, 4), 255, np.uint8)
    tile[:, :10, 3] = 0
    marked = marked_unfinished(tile)
    inner = marked[4:-4, 12:-4]
    assert (inner[..., 3] < 255).all()
    np.testing.assert_array_equal(inner[..., :3], tile[4:-4, 12:-4, :3])
    assert (marked[4:-4, 4:10, 3] == 0).all()
    assert (marked[0] != tile[0]).any()
    assert (marked[-1] != tile[-1]).any()
    assert (tile[..., :3] == 255).all()
