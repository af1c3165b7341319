"""Places of disagreement in order, and the walk through them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_ihc.comparison.agreement import Paired
from napari_virtual_ihc.comparison.disagreement import disagreements
from napari_virtual_ihc.comparison.plots import to_plot
from napari_virtual_ihc.comparison.tally import MEASURES


def paired(name: str, square_um: float, virtual: list[float], real: list[float]) -> Paired:
    measure = next(one for one in MEASURES if one.name == name)
    places = np.arange(len(virtual)) * square_um
    return Paired(
        measure, square_um, np.full(len(virtual), 700.0), places, np.array(virtual),
        np.array(real), np.ones(len(real)), np.ones((len(real), 2)), {},
    )  # fmt: skip


def test_the_largest_difference_comes_first_and_equal_squares_are_left_out() -> None:
    found = [
        paired("iod", 100, [9.0], [1.0]),
        paired("dab_area", 50, [50.0], [1.0]),
        paired("dab_area", 100, [10.0, 5.0, 40.0, 7.0, 3.0], [12.0, 45.0, 0.0, 7.0, 5.0]),
        paired("dab_area", 250, [], []),
    ]
    worst = disagreements(found)
    assert [(one.x_um, one.virtual, one.real) for one in worst] == [
        (100.0, 5.0, 45.0), (200.0, 40.0, 0.0), (0.0, 10.0, 12.0), (400.0, 3.0, 5.0),
    ]  # fmt: skip
    assert worst[0].square_um == 100
    assert worst[0].middle_um == pytest.approx((750, 150))


def test_without_squares_or_differences_there_is_none() -> None:
    assert disagreements([]) == ()
    assert disagreements([paired("dab_area", 50, [], [])]) == ()
    assert disagreements([paired("dab_area", 50, [3.0], [3.0])]) == ()


def test_squares_that_are_too_few_are_plotted_last() -> None:
    many = paired("dab_area", 50, [1.0] * 10, [1.0] * 10)
    few = paired("dab_area", 100, [1.0] * 9, [1.0] * 9)
    assert to_plot([many, few]) is many
    assert to_plot([few, paired("dab_area", 250, [1.0], [1.0])]) is few
    assert to_plot([]) is None
