"""Feature similarity among the maps of comparison: by the model that translates."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from viewer_fakes import painted_slide

from napari_virtual_ihc.comparison.patch_encoder import FEATURES
from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.widgets.compare.map_making import make_map
from napari_virtual_ihc.widgets.compare.map_model import HE, NO_MODEL, MapState, obstacle, titles
from napari_virtual_ihc.widgets.compare.sides import Sides, VirtualSide
from napari_virtual_ihc.widgets.layers import VirtualInfo

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.aligned import Aligned

PLACE = TileAddress(0, 0, 0)


def sides(model: str = "") -> Sides:
    slide, nobody = painted_slide(600, 600), cast("Any", None)
    info = VirtualInfo("Ki-67", model, slide.fingerprint)
    virtual = VirtualSide(nobody, nobody, nobody, info) if model else None
    return Sides(cast("Aligned", SimpleNamespace(warped=slide)), slide, virtual)


def test_the_encoder_is_that_of_the_model() -> None:
    made = make_map(sides("demo"), FEATURES, HE, None)
    assert "encoder of model demo" in made.told
    assert "window 64 µm" in made.told
    tile = made.producer.produce([PLACE], preview=print, cancelled=lambda: False)[PLACE]
    assert isinstance(tile, np.ndarray)
    assert tile.shape == (5, 5, 4)
    assert (FEATURES, "Feature similarity, by the model's encoder") in titles()


def test_without_a_model_or_an_encoder_it_says_so() -> None:
    state = MapState(name=FEATURES)
    assert obstacle(state, sides()) == NO_MODEL
    assert obstacle(state, sides("demo")) == ""
    with pytest.raises(ModelError, match="no encoder with residual blocks"):
        make_map(sides("demo-miu-diff"), FEATURES, HE, None)
