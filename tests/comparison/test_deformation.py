from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_ihc.comparison.deformation import jacobian, landmark_error

STEP = 10.0


def affine(matrix: list[list[float]], shift: tuple[float, float]) -> np.ndarray:
    points = np.indices((20, 30)).reshape(2, -1) * STEP
    moved = np.asarray(matrix) @ points + np.asarray(shift)[:, None]
    return (moved - points).reshape(2, 20, 30)


@given(st.floats(0.6, 1.5), st.floats(0.6, 1.5), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_jacobian_of_an_affine_map_is_its_determinant(
    a: float, d: float, b: float, c: float
) -> None:
    field = affine([[a, b], [c, d]], (5.0, -3.0))
    assert jacobian(field, STEP) == pytest.approx(a * d - b * c, abs=1e-9)


def test_a_fold_has_no_positive_area() -> None:
    field = np.zeros((2, 20, 30))
    field[1, :, 15:] = -40.0
    found = jacobian(field, STEP)
    assert (found[:, 14:16] <= 0).all()
    assert found[:, :13] == pytest.approx(1)


def test_landmark_errors_reach_as_far_as_they_are_supported() -> None:
    points, errors = np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([2.0, 10.0])
    y, x = np.zeros(4), np.array([0.0, 50.0, 100.0, 400.0])
    error, support = landmark_error(points, errors, y, x, 50.0)
    assert error[:3] == pytest.approx([2.95, 6, 9.05], abs=0.05)
    assert np.isnan(error[3])
    assert support[:3] == pytest.approx([1, np.exp(-0.5), 1])
    assert support[3] < 1e-6
    nothing, none = landmark_error(np.zeros((0, 2)), np.zeros(0), y, x, 50.0)
    assert np.isnan(nothing).all()
    assert (none == 0).all()


def test_one_landmark_speaks_for_its_neighbourhood() -> None:
    error, _ = landmark_error(np.array([[5.0, 5.0]]), np.array([7.0]), *np.full((2, 3), 5.0), 10.0)
    assert error == pytest.approx(7)
