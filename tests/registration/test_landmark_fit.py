"""Maps from marked pairs, and what each pair says of a map made without it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import BLUE, EOSIN, section, slide_of

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.judge import Judge
from napari_virtual_ihc.registration.landmark_files import read_landmarks, write_landmarks
from napari_virtual_ihc.registration.landmark_fit import fit_landmarks, left_out_errors
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.placement import (
    Placement,
    Pose,
    laid_centred,
    registration_of,
    turned,
)
from napari_virtual_ihc.registration.registration import StageResult
from napari_virtual_ihc.registration.store import load, save

SIZE = (4000.0, 6000.0)
TRUE = affine_map.similarity(20.0, True, 1.1, np.array([2000.0, 3000]), np.array([2100.0, 2800]))


def places(count, seed=0):
    return np.random.default_rng(seed).uniform(200, 3800, (count, 2))


def bent(points):
    return affine_map.apply(TRUE, points) + 40 * np.sin(points[..., ::-1] / 900)


@settings(max_examples=30, deadline=None)
@given(st.floats(-179, 179), st.booleans(), st.floats(0.5, 2))
def test_two_pairs_give_the_similarity_through_them(angle, mirrored, scale):
    true = affine_map.similarity(angle, mirrored, scale, np.zeros(2), np.array([300.0, -50.0]))
    fixed = places(2)
    base = Mapping(affine_map.similarity(5, mirrored, 1.0, np.zeros(2), np.zeros(2)))
    pairs = Landmarks(fixed, affine_map.apply(true, fixed))
    for way in ("affine", "elastic"):
        found = fit_landmarks(pairs, way, base, SIZE)
        np.testing.assert_allclose(found.apply(places(5, 1)), affine_map.apply(true, places(5, 1)))


@pytest.mark.parametrize("way", ["affine", "elastic"])
def test_pairs_alone_forget_the_map_there_was(way):
    fixed = places(4)
    pairs = Landmarks(fixed, affine_map.apply(TRUE, fixed))
    found = fit_landmarks(pairs, way, Mapping(affine_map.identity()), SIZE)
    np.testing.assert_allclose(found.apply(places(9, 1)), affine_map.apply(TRUE, places(9, 1)))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(0, 99))
def test_a_corrected_map_meets_every_pair_and_keeps_its_own_field(count, seed):
    waves = Field(np.random.default_rng(1).normal(0, 10, (5, 7, 2)), (0.0, 0.0), (1000.0, 1000.0))
    base = Mapping(TRUE, waves)
    grid = np.stack(np.meshgrid([600.0, 1600, 2600], [900.0, 2300, 3700, 5100], indexing="ij"), -1)
    fixed = np.random.default_rng(seed).permutation(grid.reshape(-1, 2))[:count]
    moving = base.apply(fixed) + np.random.default_rng(seed).uniform(-60, 60, (count, 2))
    found = fit_landmarks(Landmarks(fixed, moving), "correct", base, SIZE)
    np.testing.assert_allclose(found.apply(fixed), moving, atol=0.5)


def test_a_single_pair_shifts_the_whole_map():
    base = Mapping(TRUE)
    fixed = np.array([[500.0, 700.0]])
    shift = np.array([30.0, -8.0])
    found = fit_landmarks(Landmarks(fixed, base.apply(fixed) + shift), "correct", base, SIZE)
    np.testing.assert_allclose(found.apply(places(9)), base.apply(places(9)) + shift)


def test_leaving_out_is_fitting_without():
    fixed = places(9)
    pairs = Landmarks(fixed, bent(fixed) + np.random.default_rng(2).normal(0, 3, (9, 2)))
    base = Mapping(TRUE + [[0, 0, 15]] * 2)
    for way in ("measure", "correct", "affine", "elastic"):
        errors = left_out_errors(pairs, way, base)
        without = fit_landmarks(pairs.without([4]), way, base, SIZE)
        missed = np.linalg.norm(without.apply(fixed[4]) - pairs.moving[4])
        assert errors[4] == pytest.approx(missed, abs=0.6)


def test_the_worst_pair_is_the_wrong_one_and_more_pairs_help():
    errors = []
    for count in (4, 30):
        fixed = places(count)
        errors.append(left_out_errors(Landmarks(fixed, bent(fixed)), "elastic", Mapping(TRUE)))
    assert np.median(errors[1]) < 0.3 * np.median(errors[0])
    fixed = places(20)
    moving = bent(fixed)
    moving[5] += 200
    for way in ("affine", "elastic", "correct"):
        assert np.nanargmax(left_out_errors(Landmarks(fixed, moving), way, Mapping(TRUE))) == 5


def test_too_few_pairs_to_leave_one_out_are_no_number():
    fixed = places(2)
    pairs = Landmarks(fixed, affine_map.apply(TRUE, fixed))
    assert np.isnan(left_out_errors(pairs, "affine", Mapping(TRUE))).all()
    assert len(left_out_errors(Landmarks(), "correct", Mapping(TRUE))) == 0


def test_pairs_that_contradict_each_other_are_named():
    base = Mapping(affine_map.identity())
    line = np.array([[100.0, 100], [200, 200], [300, 300.1]])
    with pytest.raises(RegistrationError, match="one line"):
        fit_landmarks(Landmarks(line, line), "affine", base, SIZE)
    twice = np.array([[100.0, 100], [900, 200], [100, 100.2], [500, 700]])
    with pytest.raises(RegistrationError, match="Pairs 1 and 3 lie at one place"):
        fit_landmarks(Landmarks(twice, twice), "correct", base, SIZE)
    fixed = places(12)
    moving = fixed.copy()
    moving[7] = moving[7, ::-1] + 1500
    with pytest.raises(RegistrationError, match="fold the section; look at pair 8 "):
        fit_landmarks(Landmarks(fixed, moving), "correct", base, SIZE)


def test_marking_alternates_and_a_pair_begun_twice_begins_anew():
    marked = Landmarks()
    assert marked.awaited == "fixed"
    marked = marked.marked("fixed", np.array([1.0, 1])).marked("fixed", np.array([2.0, 2]))
    assert (len(marked.fixed), marked.awaited, marked.count) == (1, "moving", 0)
    marked = marked.marked("moving", np.array([5.0, 5])).marked("moving", np.array([6.0, 6]))
    assert (len(marked.moving), marked.awaited, marked.count) == (2, "fixed", 1)
    left = marked.without([0])
    assert (len(left.fixed), left.moving.tolist()) == (0, [[6, 6]])


def test_landmarks_come_back_from_disk(tmp_path):
    points = places(7)
    write_landmarks(tmp_path / "he.csv", points)
    np.testing.assert_allclose(read_landmarks(tmp_path / "he.csv"), points, atol=1e-3)


@pytest.fixture(scope="module")
def slides():
    return slide_of(section(1, EOSIN), "he.png"), slide_of(section(1, BLUE, side=400), "ihc.png")


def test_a_pose_moves_what_is_seen_and_poses_join(slides):
    base = laid_centred(*slides)
    centre = np.array(slides[0].size_um) / 2
    np.testing.assert_allclose(base.to_moving(centre), np.array(slides[1].size_um) / 2)
    pose = Pose(40.0, -30.0, 90.0, 1.0)
    found = registration_of(Placement(base, pose), Judge(*slides))
    seen_before = base.to_fixed(np.array([1000.0, 1800.0]))
    seen = found.to_fixed(np.array([1000.0, 1800.0]))
    down, right = seen_before - centre
    np.testing.assert_allclose(seen - centre, [40 - right, -30 + down], atol=1e-6)
    back = turned(pose, affine_map.inverse(pose.affine(base.fixed)), base.fixed)
    assert (back.down_um, back.turn_deg) == pytest.approx((0, 0), abs=1e-9)
    assert back.scale == pytest.approx(1)


def test_a_flip_by_hand_is_said_and_saved(slides, tmp_path):
    placement = Placement(laid_centred(*slides), Pose(mirrored=True))
    found = registration_of(placement, Judge(*slides))
    assert found.mirrored
    assert found.source == "hand"
    assert "mirrored" in found.notes[0]
    save(found, tmp_path)
    back = load(tmp_path)
    assert (back.source, back.stages) == ("hand", found.stages)
    np.testing.assert_array_equal(back.stages[-1].mapping.affine, found.mapping.affine)


def test_pairs_win_over_a_field_moved_by_hand(slides, tmp_path):
    field = Field(np.random.default_rng(1).normal(0, 5, (6, 6, 2)), (0.0, 0.0), (512.0, 512.0))
    centred = laid_centred(*slides)
    base = type(centred)(Mapping(centred.mapping.affine, field), centred.fixed, centred.moving)
    pairs = Landmarks(
        np.array([[800.0, 900], [1500, 1000]]), np.array([[1100.0, 1250], [1900, 1300]])
    )
    placement = Placement(base, Pose(100.0, 50.0, 10.0), pairs)
    by_hand = placement.by_hand()
    point = np.array([1200.0, 1100.0])
    away = affine_map.apply(affine_map.inverse(placement.pose.affine(base.fixed)), point)
    np.testing.assert_allclose(by_hand.apply(point), base.to_moving(away), atol=0.3)
    found = registration_of(placement, Judge(*slides))
    np.testing.assert_allclose(found.to_moving(pairs.fixed), pairs.moving, atol=0.5)
    assert found.source == "landmarks"
    assert [stage.name for stage in found.stages] == ["hand", "landmarks"]
    save(found, tmp_path)
    by_hand, whole = (stage.mapping for stage in load(tmp_path).stages)
    assert by_hand is None
    np.testing.assert_array_equal(whole.apply(point), found.to_moving(point))


def test_what_people_decided_comes_back_from_disk_bit_by_bit(slides, tmp_path):
    field = Field(np.random.default_rng(1).normal(0, 5, (6, 6, 2)), (0.0, 0.0), (512.0, 512.0))
    centred = laid_centred(*slides)
    stage = StageResult("elastic", 0.2, 0.4, True, "It helps.")
    base = replace(centred, mapping=Mapping(centred.mapping.affine, field), stages=(stage,))
    fixed = places(5) / 3
    marked = Landmarks(np.vstack([fixed, [[9.0, 9]]]), fixed + np.array([300.0, 340]))
    for way in ("correct", "measure"):
        placement = Placement(base, Pose(30.0, -9.5, 2.0, 1.01), marked, way)
        found = registration_of(placement, Judge(*slides))
        save(found, tmp_path / way)
        back = load(tmp_path / way)
        kept = back.placement
        assert (kept.way, kept.pose, kept.marked.count) == (way, placement.pose, 5)
        np.testing.assert_array_equal(kept.marked.fixed, fixed)
        np.testing.assert_array_equal(kept.base.mapping.field.values, field.values)
        assert kept.base.stages == base.stages
        assert kept.base.placement is None
        again = registration_of(kept, Judge(*slides))
        point = np.array([[700.0, 800.0]])
        np.testing.assert_array_equal(again.to_moving(point), found.to_moving(point))
        np.testing.assert_array_equal(back.to_moving(point), found.to_moving(point))
        assert kept.errors() == placement.errors()
    only_marked = registration_of(Placement(base, marked=marked, way="measure"), Judge(*slides))
    assert only_marked.mapping is base.mapping
    assert only_marked.placement.marked is marked
    assert registration_of(Placement(base), Judge(*slides)) is base


def test_a_damaged_placement_is_refused_and_an_older_file_read(slides, tmp_path):
    placement = Placement(laid_centred(*slides), marked=Landmarks(places(3), places(3, 1)))
    save(registration_of(replace(placement, way="measure"), Judge(*slides)), tmp_path)
    path = tmp_path / "registration.json"
    facts = json.loads(path.read_text("utf-8"))
    for name, value in (("way", "any"), ("pairs_moving", [[1, 2]]), ("pose", {"down_um": "a"})):
        worse = facts | {"placement": facts["placement"] | {name: value}}
        path.write_text(json.dumps(worse), "utf-8")
        with pytest.raises(RegistrationError, match="is damaged"):
            load(tmp_path)
    del facts["placement"]
    path.write_text(json.dumps(facts), "utf-8")
    assert load(tmp_path).placement is None


def test_a_map_by_hand_is_judged_as_a_found_one(slides):
    judge, corner = Judge(*slides), 320.0
    placed = registration_of(Placement(laid_centred(*slides), Pose(corner, corner)), judge)
    away = registration_of(Placement(placed, Pose(200.0, 0.0)), judge)
    assert placed.stages[-1].after > 0.8 > 0.3 > placed.stages[-1].before
    assert away.stages[-1].before == placed.stages[-1].after
    assert away.agreeing < 0.2 < 0.9 < placed.agreeing
    assert not any("Look at it" in note for note in placed.notes)
    assert "agree, before 100.0 %. Look at it before you trust it." in away.notes[-1]
    beside = Mapping(np.array([[1.0, 0, 9e3], [0, 1, 0]]))
    assert judge.likeness(beside) is None
