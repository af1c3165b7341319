"""Canvas, table, Save and Compare speak of one map, whatever was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_viewer_align import docked, warped
from test_viewer_align_kept import PLACES, open_two
from viewer_fakes import painted_slide

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.placement import REST, laid_centred
from napari_virtual_ihc.registration.registration import StageResult
from napari_virtual_ihc.registration.store import load
from napari_virtual_ihc.widgets.align.landmark_model import COMPUTING, row_words, summary
from napari_virtual_ihc.widgets.align.model import (
    LAYING,
    RESAMPLING,
    AlignState,
    caution,
    result_words,
)
from napari_virtual_ihc.widgets.align.placing import LEFT_OUT
from napari_virtual_ihc.widgets.align.stage_model import StageRow, stage_rows
from napari_virtual_ihc.widgets.camera import look_at
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.widgets.align.controller import AlignController

JITTER = np.array([[62.0, 50], [50, 50], [50, 41], [50, 50]])


@pytest.fixture
def align(window: Viewer) -> AlignController:
    """Return the page over two painted slides, the one laid centred, four pairs correcting it."""
    open_two(window)
    page = docked(window)
    assert page.begin()
    page.landmarks.set_way("correct")
    page.landmarks.put(Landmarks(PLACES[:4], PLACES[:4] + JITTER))
    assert wait_until_settled(page.session, 20)
    return page


def test_refused_pairs_leave_one_map_for_canvas_table_save_and_compare(
    window: Viewer, align: AlignController, tmp_path: Path
) -> None:
    look_at(window, 250.0, 250.0)
    assert [row.name for row in align.state.stages][-1] == "landmarks"
    align.hand.flip()
    align.hand.turn(30.0)
    assert align.view.result.text() == LAYING
    assert not align.view.stages.table.isEnabled()
    assert not align.view.save.isEnabled()
    align.save(tmp_path / "too_soon")
    assert not (tmp_path / "too_soon").exists()
    assert wait_until_settled(align.session, 20)
    assert "would fold the section" in align.view.error.text()
    assert LEFT_OUT in align.view.error.text()
    assert align.view.stages.table.isEnabled()
    assert [row.name for row in align.state.stages][-1] == "by hand"
    np.testing.assert_allclose(align.warped.held(), np.eye(2, 3), atol=1e-9)
    found = align.session.aligned.registration
    assert found.stage == "hand"
    assert found.mirrored
    assert warped(window) == [align.session.aligned.warped]
    align.save(tmp_path / "fit")
    np.testing.assert_allclose(
        load(tmp_path / "fit").to_moving(PLACES), found.to_moving(PLACES), atol=1e-6
    )
    align.view.undo.click()
    align.view.undo.click()
    assert wait_until_settled(align.session, 20)
    assert align.view.error.text() == ""
    assert align.session.aligned.registration.stage == "landmarks"


def test_a_placement_that_cannot_be_laid_goes_back_on_the_canvas(
    align: AlignController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RegistrationError("The disk is gone.")

    before = align.session.aligned
    monkeypatch.setattr("napari_virtual_ihc.registration.warp.warp", refuse)
    align.hand.shift(50.0, 0.0)
    assert align.warped.held()[0, 2] == pytest.approx(50)
    assert wait_until_settled(align.session, 20)
    assert align.view.error.text() == "The disk is gone."
    np.testing.assert_allclose(align.warped.held(), np.eye(2, 3), atol=1e-9)
    assert align.state.pose == REST
    assert align.session.aligned is before
    assert align.view.save.isEnabled()
    assert align.state.marked == (4, 4)


def test_what_is_not_known_yet_is_not_said() -> None:
    rows = tuple(StageRow(name, "", "", "", Mapping(np.eye(2, 3))) for name in ("a", "b"))
    state = AlignState(stages=rows, stage=1, result="99 % agree.", marked=(5, 5))
    assert result_words(state) == "99 % agree."
    state.resampling = True
    assert result_words(state) == f"99 % agree. {RESAMPLING}"
    state.stage = 0
    assert result_words(state) == RESAMPLING
    state.laying = True
    assert result_words(state) == LAYING
    assert summary(state) == COMPUTING
    assert row_words(state, 4) == ("5", "…")


def test_a_stage_says_what_it_was_measured_at_and_a_fall_is_told() -> None:
    begun = laid_centred(painted_slide(256, 256), painted_slide(300, 300))
    first = StageResult("coarse", None, 0.5, True, "The best.", begun.mapping)
    worse = StageResult("landmarks", 0.77, 0.4, True, "4 marked pairs.", begun.mapping)
    found = replace(begun, stages=(first, worse))
    assert [row.likeness for row in stage_rows(found)] == ["", "– → 0.50", "0.77 → 0.40"]
    assert "The pairs made the likeness fall from 0.77 to 0.40" in caution(found)
    assert "fall" not in caution(replace(found, stages=(first, replace(worse, after=0.7))))
