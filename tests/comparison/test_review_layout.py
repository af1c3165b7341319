"""How a review was looked at survives a file; what no window can show is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from napari_virtual_ihc.comparison.review_layout import (
    WAYS,
    Canvas,
    Display,
    LayerName,
    Mix,
    ReviewLayout,
    from_facts,
    to_facts,
)
from napari_virtual_ihc.comparison.review_session import (
    ReviewSession,
    SlideReference,
    load,
    require_scale,
    save,
)
from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from pathlib import Path

HE = "a" * 32
SLIDE, STAIN = LayerName("slide", HE), LayerName("virtual", HE, "demo")
MAP = LayerName("map", HE, "comparability", "he")
LAYOUT = ReviewLayout(
    (Canvas(None), Canvas(SLIDE, (3.5, -20.0), linked=False), Canvas(MAP)),
    grid=False,
    displays=(Display(STAIN, True, 0.4, 1.2, (0.0, 240.0), "translucent", "nearest"),),
    mix=Mix("curtain", 0.31, SLIDE, STAIN),
)
REVIEW = ReviewSession((SlideReference(HE, 0.5),), HE, model="demo", layout=LAYOUT)


def test_a_layout_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    save(REVIEW, path)
    assert load(path).layout == LAYOUT
    assert LAYOUT.layers() == {SLIDE, STAIN, MAP}


def test_a_review_of_the_former_version_has_none(tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    save(REVIEW, path)
    content = json.loads(path.read_text())
    del content["layout"]
    path.write_text(json.dumps({**content, "schema": "virtual-ihc/review/1"}))
    assert load(path) == replace(REVIEW, layout=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"canvases": []},
        {"canvases": [{"layer": None, "shift_um": [0, 0], "linked": True}] * 5},
        {"canvases": [{"layer": None, "shift_um": [0], "linked": True}]},
        {"canvases": [{"layer": None, "shift_um": [0, float("nan")], "linked": True}]},
        {"canvases": [{"layer": {"kind": "blob", "slide": HE}, "shift_um": [0, 0], "linked": 1}]},
        {"mix": to_facts(LAYOUT)["mix"] | {"way": "shuffle"}},
        {"mix": to_facts(LAYOUT)["mix"] | {"share": 1.5}},
        {"displays": [to_facts(LAYOUT)["displays"][0] | {"opacity": "much"}]},
        {"displays": [to_facts(LAYOUT)["displays"][0] | {"gamma": 0}]},
        {"displays": [to_facts(LAYOUT)["displays"][0] | {"contrast_limits": [9, 9]}]},
    ],
)
def test_what_no_window_can_show_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_facts(to_facts(LAYOUT) | wrong)
    path = tmp_path / "case.json"
    save(REVIEW, path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "layout": content["layout"] | wrong}))
    with pytest.raises(ReviewError, match=r"case\.json is damaged"):
        load(path)


def test_ways_are_those_of_the_window() -> None:
    assert set(WAYS) == {way.value for way in Way}


def test_a_slide_of_another_scale_is_refused() -> None:
    require_scale(SlideReference(HE, 0.5), 0.5)
    with pytest.raises(ReviewError, match=r"open at no µm/px, but the review was made at 0\.5"):
        require_scale(SlideReference(HE, 0.5), None)


@pytest.mark.parametrize(
    "wrong", [{"chosen": "b" * 32}, {"view": {"y_um": 1, "x_um": 2, "magnification": 0,
                                             "rotation_degrees": 0, "slide": HE}}],
)  # fmt: skip
def test_a_slide_or_a_view_that_is_none_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = tmp_path / "case.json"
    save(REVIEW, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    with pytest.raises(ReviewError, match="damaged"):
        load(path)
