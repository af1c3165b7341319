from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.blocks import correlations, spread_of
from napari_virtual_ihc.registration.elastic import fit_field
from napari_virtual_ihc.registration.gates import folds
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.refine import Pairs, fit_affine

angles = st.floats(-179, 179)
scales = st.floats(0.4, 2.5)
places = st.floats(-1e4, 1e4)


@given(angles, st.booleans(), scales, places, places)
def test_a_similarity_is_told_by_its_shape(angle, mirrored, scale, y, x):
    made = affine_map.similarity(angle, mirrored, scale, np.array([y, x]), np.array([x, y]))
    told = affine_map.shape_of(made)
    assert told.mirrored == mirrored
    assert told.scale == pytest.approx(scale)
    assert told.stretch == pytest.approx(1)
    assert abs((told.angle_deg - angle + 180) % 360 - 180) < 1e-6


@given(angles, st.booleans(), scales, places)
def test_an_affine_map_undoes_itself(angle, mirrored, scale, shift):
    made = affine_map.similarity(angle, mirrored, scale, np.zeros(2), np.full(2, shift))
    points = np.random.default_rng(0).uniform(0, 1e4, (5, 2))
    back = affine_map.apply(affine_map.inverse(made), affine_map.apply(made, points))
    np.testing.assert_allclose(back, points, atol=1e-6)


def test_an_affine_fit_ignores_a_third_of_wrong_matches():
    draw = np.random.default_rng(0)
    true = affine_map.similarity(12, True, 0.9, np.zeros(2), np.array([100.0, 50.0]))
    fixed = draw.uniform(0, 1000, (90, 2))
    moving = affine_map.apply(true, fixed)
    moving[:30] += draw.uniform(-200, 200, (30, 2))
    found = fit_affine(Pairs(fixed, moving, np.ones(90)), true + [[0, 0, 20]] * 2, 2.0)
    away = affine_map.apply(found, fixed[30:]) - moving[30:]
    assert np.abs(away).max() < 1.0


@settings(max_examples=20)
@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.integers(0, 99))
def test_a_smooth_map_is_inverted_by_iteration(a, b, seed):
    values = np.random.default_rng(seed).uniform(-20, 20, (6, 6, 2))
    linear = np.array([[1 + a, b, 30.0], [-b, 1 - a, -20.0]])
    mapping = Mapping(linear, Field(values, (0.0, 0.0), (200.0, 200.0)))
    points = np.random.default_rng(seed).uniform(0, 1000, (20, 2))
    np.testing.assert_allclose(mapping.inverse_at(mapping.apply(points), 60), points, atol=1e-3)


def test_the_jacobian_is_the_change_of_area_whichever_way_round():
    values = np.zeros((4, 4, 2))
    values[..., 1] = -0.5 * 100 * np.arange(4)
    mirrored = Mapping(np.array([[1.0, 0, 0], [0, -1, 0]]))
    shrunk = Mapping(affine_map.identity(), Field(values, (0.0, 0.0), (100.0, 100.0)))
    folded = Mapping(affine_map.identity(), Field(3 * values, (0.0, 0.0), (100.0, 100.0)))
    point = np.array([[150.0, 150.0]])
    got = [float(mapping.jacobian(point, 10)[0]) for mapping in (mirrored, shrunk, folded)]
    assert got == pytest.approx([1.0, 0.5, -0.5])


def test_a_field_follows_good_matches_and_not_a_bad_one():
    places = np.stack(np.meshgrid(*[np.arange(50.0, 1000, 50)] * 2, indexing="ij"), -1)
    places = places.reshape(-1, 2)
    moved = places + 15 * np.sin(places[:, ::-1] / 250)
    wrong = moved.copy()
    wrong[100] += 300
    pairs = Pairs(places, wrong, np.ones(len(places)))
    field = fit_field(pairs, affine_map.identity(), (1000, 1000), 75.0, 10.0)
    away = np.linalg.norm(places + field.at(places) - moved, axis=1)
    assert np.median(away) < 1.0
    assert away[100] < 5.0


def test_correlations_are_those_of_numpy():
    draw = np.random.default_rng(0)
    around = draw.random((1, 12, 12), np.float32)
    block = around[:, 3:9, 4:10] * 2 + 1
    got = correlations(block, around, spread_of(around[0], 6)[None])[0]
    expected = np.corrcoef(block.ravel(), around[0, 1:7, 2:8].ravel())[0, 1]
    assert got[1, 2] == pytest.approx(expected, abs=1e-4)
    assert got[3, 4] == pytest.approx(1, abs=1e-5)


def test_a_field_folds_where_one_node_passes_its_neighbour():
    values = np.zeros((5, 5, 2))
    values[2, 2, 1] = 90.0
    close = Mapping(affine_map.identity(), Field(values, (0.0, 0.0), (100.0, 100.0)))
    passed = Mapping(affine_map.identity(), Field(values * 1.3, (0.0, 0.0), (100.0, 100.0)))
    mirrored = Mapping(np.array([[1.0, 0, 0], [0, -1, 0]]), passed.field)
    assert [folds(mapping) for mapping in (close, passed, mirrored)] == [False, True, True]
    assert not folds(Mapping(affine_map.identity()))
