"""What the Review page says of regions, reads and views; what it refuses, in one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from viewer_fakes import painted_slide

from napari_virtual_ihc.widgets.camera import look_at
from napari_virtual_ihc.widgets.review.controller import ReviewController
from napari_virtual_ihc.widgets.review.model import (
    NO_SCORE,
    NO_SLIDE,
    OUT_OF_VIEW,
    read_line,
    reads_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 0, 0), "5 regions read."),
        ((1, 0, 1), "1 region read. 1 lies outside the slide."),
        ((2, 1, 0), "2 regions read. 1 was there already."),
        ((0, 2, 2), "0 regions read. 2 were there already. 2 lie outside the slide."),
    ],
)
def test_what_was_read_is_counted(counts: tuple[int, int, int], expected: str) -> None:
    assert read_line(*counts) == expected


def test_regions_outside_the_slide_are_told(opened: Open, tmp_path: Path) -> None:
    review = ReviewController(opened(painted_slide(1024, 1024)))
    path = tmp_path / "two.geojson"
    path.write_text(json.dumps([square(900), square(1100)]))
    review.attempt(review.import_regions, path)
    assert review.state.notice == "2 regions read. 1 lies outside the slide."
    review.attempt(review.export_regions, tmp_path / "out.geojson")
    told = json.loads((tmp_path / "out.geojson").read_text("utf-8"))["features"]
    assert [one["properties"]["measurements"] for one in told] == [{"Area": 900}, {"Area": 1100}]
    review.close()


def test_a_read_is_refused_without_a_score_or_a_slide_in_view(opened: Open) -> None:
    session = opened(painted_slide(1024, 1024))
    review = ReviewController(session)
    box, state = review.view.reading, review.state
    state.blind = True
    box.record.click()
    assert state.error == NO_SCORE
    box.score.setText("2+")
    box.note.setText("n" * 4000)
    look_at(session.viewer, 9000.0, 9000.0, 20)
    box.record.click()
    assert state.error == OUT_OF_VIEW
    assert (state.reads, box.score.text()) == ((), "2+")
    look_at(session.viewer, 250.0, 250.0, 20)
    box.record.click()
    assert (state.error, box.score.text()) == ("", "")
    assert reads_line(state) == "1 read recorded, 1 not revealed yet."
    review.kept.keep("n" * 4000)
    (line,) = (review.view.kept.views.item(0),)
    assert len(line.text()) < 90
    assert line.toolTip().count("n") == 4000
    review.state.error = NO_SLIDE
    session.slides_changed.emit()
    assert state.error == ""
    state.blind = False
    review.close()


def square(low: int) -> dict[str, object]:
    """Return a feature of 200 px a side, as QuPath writes it."""
    high = low + 200
    ring = [[low, low], [high, low], [high, high], [low, high], [low, low]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "measurements": {"Area": low}},
    }
