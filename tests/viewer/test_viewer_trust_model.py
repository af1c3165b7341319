"""Which maps of trust there are, and that the real ones come of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from viewer_fakes import fake_card, painted_slide

from napari_virtual_ihc.models.library import Library
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.widgets.translate.prepare import Choices, PrepareTranslator
from napari_virtual_ihc.widgets.translate.trust_model import choices, comparable_models, other_model
from napari_virtual_ihc.widgets.work import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.widgets.translate.trust_making import TrustMap

PLACE = TileAddress(0, 0, 0)


def test_seeds_are_offered_of_diffusions_and_models_of_the_same_marker() -> None:
    assert choices(False, ["b"]) == ("off", "jitter", "unfamiliar input", "against b")
    assert "spread over 3 seeds" in choices(True, [])
    cards = {name: fake_card(name) for name in ("a", "b", "c")}
    cards["c"] = cards["c"].model_copy(update={"marker": "HER2"})
    assert comparable_models("a", cards) == ["b"]
    assert other_model("against b") == "b"
    assert other_model("jitter") is None


@pytest.fixture(scope="module")
def trust() -> Callable[[str, TileCache], TrustMap]:
    prepare = PrepareTranslator(Library([]))
    words = Choices("cpu", "torch")
    prepared = prepare(painted_slide(400, 300), "demo", words, Progress(lambda *_: None))
    assert prepared.trust is not None
    return prepared.trust


@pytest.mark.parametrize(
    ("choice", "title"),
    [
        ("jitter", "Wavering over 3 ways of asking"),
        ("unfamiliar input", "Distance from training H&E"),
        ("against demo-mdcl", "Disagreement of demo and demo-mdcl"),
    ],
)
def test_every_map_makes_tiles(
    trust: Callable[[str, TileCache], TrustMap], choice: str, title: str
) -> None:
    made = trust(choice, TileCache(None, 10**8, 0))
    assert made.scale.title == title
    tile = made.produce([PLACE], preview=lambda *_: None, cancelled=lambda: False)[PLACE]
    assert isinstance(tile, np.ndarray)
    assert tile[..., 3].max() == 255
    assert len(np.unique(tile.reshape(-1, 4), axis=0)) > 2
