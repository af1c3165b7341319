"""Areas on the canvas as regions to measure, with their holes and parts; no window is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.compare.regions import drawn, named_regions, region_of
from napari_virtual_ihc.widgets.review.regions import show_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 512.0, 512.0


def test_a_region_that_was_read_is_measured_with_its_holes_and_parts() -> None:
    viewer = ViewerModel()
    outer, hole = square(0, 200), square(50, 100)
    parts = Polygon(outer, (hole,)), Polygon(square(300, 400))
    show_regions(viewer, [ReviewRegion(parts, "tumour"), ReviewRegion(parts[1:], "apart")])
    (tumour, _apart) = named_regions(viewer)
    assert named_regions(viewer)[tumour] == "“tumour”"
    region = region_of(viewer, tumour, SIZE)
    assert region.words == "region “tumour”"
    assert region.box == (0, 0, 400, 400)
    assert [len(ring) for ring in region.rings] == [4, 4, 4]
    viewer.layers[0].selected_data = {1}
    assert drawn(viewer).name == "tumour"
    viewer.layers.clear()
    with pytest.raises(VirtualIhcError, match="not drawn any more"):
        region_of(viewer, tumour, SIZE)


def square(low: float, high: float) -> NDArray[np.float64]:
    return np.array([(low, low), (low, high), (high, high), (high, low)], np.float64)
