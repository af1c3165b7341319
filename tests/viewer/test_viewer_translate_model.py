from __future__ import annotations

import pytest

from napari_virtual_ihc.widgets.translate.model import (
    TileCounts,
    TranslateState,
    caution,
    magnification_text,
    progress_text,
    scale_text,
)


def test_the_state_tells_of_every_change() -> None:
    state, told = TranslateState(), []
    state.events.tiles.connect(told.append)
    state.tiles = TileCounts(38)
    assert told == [TileCounts(38)]


def test_counts_are_true_and_have_units() -> None:
    state = TranslateState(tiles=TileCounts(38, 52, rate=7.123))
    assert progress_text(state) == "38 of 52 tiles · 7.1 tiles/s"


def test_a_tile_of_many_steps_says_how_far_it_is() -> None:
    state = TranslateState(tiles=TileCounts(1, 6, step=12, steps=20))
    assert progress_text(state) == "1 of 6 tiles · step 12 of 20"


def test_preparation_comes_before_counts() -> None:
    state = TranslateState(tiles=TileCounts(38, 52), activity="Reading the slide's statistics")
    state.activity_done, state.activity_total = 12, 48
    assert progress_text(state) == "Reading the slide's statistics… 12 of 48"


def test_scale_has_three_significant_digits() -> None:
    assert scale_text(0.49912) == "0.499 µm/px"
    assert scale_text(None) == "scale unknown"


@pytest.mark.parametrize(("value", "text"), [(20.0, "20×"), (7.33, "7.3×"), (0.52, "0.52×")])
def test_magnification_reads_as_on_an_objective(value: float, text: str) -> None:
    assert magnification_text(value) == text


def test_a_fitting_slide_needs_no_caution() -> None:
    assert caution(0.499, 0.5, "he", pen=False) == ""


def test_ihc_under_an_he_model_is_said_first() -> None:
    assert "looks like IHC" in caution(2.0, 0.5, "ihc", pen=True)


def test_a_coarse_slide_is_said_to_be_enlarged() -> None:
    assert "2 µm/px" in caution(2.0, 0.5, "he", pen=False)
    assert "enlarged" in caution(2.0, 0.5, "he", pen=False)


def test_a_fine_slide_is_said_to_be_resampled() -> None:
    assert "resampled to the model's 0.5 µm/px" in caution(0.25, 0.5, "he", pen=False)


def test_pen_is_said() -> None:
    assert "Pen marks" in caution(0.5, 0.5, "he", pen=True)
