from __future__ import annotations

import numpy as np
import pytest
from scenes import BLUE, MPP, section, slide_of

from napari_virtual_ihc.errors import ExportError, RegistrationError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.imports import (
    given,
    measured,
    read_affine,
    read_field,
    read_map,
)
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.store import load, require_new, save
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.slide_producer import SlideProducer


@pytest.fixture(scope="module")
def slide():
    return slide_of(section(1, BLUE), "ihc.png")


def test_the_identity_changes_no_pixel(slide):
    warped = warp(given(Mapping(affine_map.identity()), slide, slide), slide)
    pixels, valid = warped.read(0, 30, 40, 200, 100)
    np.testing.assert_array_equal(pixels, slide.read(0, 30, 40, 200, 100)[0])
    assert valid.all()


def test_a_mirrored_shift_moves_pixels_and_what_lies_beyond_is_not_valid(slide):
    width = slide.size_um[1]
    mirror = Mapping(np.array([[1.0, 0, 10 * MPP], [0, -1, width]]))
    warped = warp(given(mirror, slide, slide), slide)
    pixels, valid = warped.read(0, 0, 0, *slide.shape)
    np.testing.assert_array_equal(pixels[:-10], slide.read(0, 0, 0, *slide.shape)[0][10:, ::-1])
    assert valid[:-10].all()
    assert not valid[-10:].any()


def test_what_lies_off_the_moving_slide_is_clear_and_not_hatched(slide):
    shifted = Mapping(np.array([[1.0, 0, 100 * MPP], [0, 1, 0]]))
    producer = SlideProducer(warp(given(shifted, slide, slide), slide))
    overview = producer.overview()
    assert overview.shape[:2] == (160, 160)
    assert (overview[:107, :, 3] == 255).all()
    assert (overview[110:, :, 3] == 0).all()
    assert not (overview[..., :3] == hatch(0, 0, 160, 160)[..., :3]).all(axis=-1).any()


def test_only_the_region_shown_is_read(slide, monkeypatch):
    warped = warp(given(Mapping(affine_map.identity()), slide, slide), slide)
    assert warped.shape == slide.shape
    assert warped.fingerprint != slide.fingerprint
    read = []
    original = type(slide).region
    monkeypatch.setattr(
        type(slide), "region",
        lambda self, y, x, h, w, mpp: read.append((h, w)) or original(self, y, x, h, w, mpp),
    )  # fmt: skip
    warped.source.decode(0, 0, 0)
    assert read == [(324, 324)]


def test_another_slide_is_refused(slide):
    other = slide_of(section(2, BLUE), "other.png")
    with pytest.raises(RegistrationError, match=r"other\.png is not the moving slide"):
        warp(given(Mapping(affine_map.identity()), slide, slide), other)
    with pytest.raises(RegistrationError, match="give the same scale"):
        warp(given(Mapping(affine_map.identity()), slide, slide), slide.with_mpp(4.0))


def test_a_registration_comes_back_from_disk(slide, tmp_path):
    field = Field(np.random.default_rng(0).random((3, 4, 2)), (0.0, 5.0), (100.0, 90.0))
    made = given(Mapping(np.array([[1.0, 0.1, 3], [0, 0.9, -2]]), field), slide, slide)
    save(made, tmp_path)
    back = load(tmp_path)
    points = np.random.default_rng(1).uniform(0, 300, (9, 2))
    np.testing.assert_array_equal(back.to_moving(points), made.to_moving(points))
    assert (back.fixed, back.moving, back.notes) == (made.fixed, made.moving, made.notes)
    (tmp_path / "field.npz").write_bytes(b"other")
    with pytest.raises(RegistrationError, match="not the field"):
        load(tmp_path)


def test_a_damaged_registration_is_named(tmp_path):
    (tmp_path / "registration.json").write_text('{"schema": "virtual-ihc/registration/1"}')
    with pytest.raises(RegistrationError, match="damaged"):
        load(tmp_path)
    with pytest.raises(RegistrationError, match=r"nowhere holds no registration \(registration"):
        load(tmp_path / "nowhere")


def test_a_registration_is_never_written_over_another(slide, tmp_path):
    require_new(tmp_path / "new" / "folder")
    save(given(Mapping(affine_map.identity()), slide, slide), tmp_path / "old")
    with pytest.raises(ExportError, match="holds a registration already"):
        require_new(tmp_path / "old")
    (tmp_path / "afile").write_text("", "utf-8")
    with pytest.raises(ExportError, match="afile is a file, not a folder"):
        require_new(tmp_path / "afile" / "fit")


def test_matrices_of_other_programs_are_read(tmp_path):
    whole = np.array([[1.0, 0.2, 5], [-0.1, 0.9, 7], [0, 0, 1]])
    np.save(tmp_path / "m.npy", whole)
    (tmp_path / "m.json").write_text(f'{{"matrix": {whole[:2].tolist()}}}')
    np.testing.assert_array_equal(read_affine(tmp_path / "m.npy"), whole[:2])
    np.testing.assert_array_equal(read_affine(tmp_path / "m.json"), whole[:2])
    swapped = read_affine(tmp_path / "m.npy", order="xy")
    y, x = 3.0, 4.0
    np.testing.assert_allclose(
        affine_map.apply(swapped, np.array([y, x]))[::-1], whole[:2] @ (x, y, 1)
    )


@pytest.mark.parametrize("rows", ["[[1, 2], [3, 4]]", "[[1, 2, 3], [2, 4, 6]]", "no", "null"])
def test_what_is_no_matrix_is_refused(tmp_path, rows):
    (tmp_path / "m.json").write_text(rows)
    with pytest.raises(RegistrationError, match=r"m\.json"):
        read_affine(tmp_path / "m.json")


def test_fields_of_other_programs_are_read(slide, tmp_path):
    values = np.random.default_rng(0).random((4, 5, 2)).astype(np.float32)
    head = (
        "ObjectType = Image\nNDims = 2\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "CompressedData = False\nTransformMatrix = 1 0 0 1\nOffset = 10 20\n"
        "ElementSpacing = 30 40\nDimSize = 5 4\nElementNumberOfChannels = 2\n"
        "ElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "f.mha").write_bytes(head.encode() + values.tobytes())
    field = read_field(tmp_path / "f.mha", slide).field
    np.testing.assert_allclose(field.at(np.array([20 + 40 * 2, 10 + 30 * 3])), values[2, 3, ::-1])
    np.save(tmp_path / "f.npy", values)
    field = read_field(tmp_path / "f.npy", slide).field
    middle = np.array(slide.size_um) * (2.5 / 4, 3.5 / 5)
    np.testing.assert_allclose(field.at(middle), values[2, 3], rtol=1e-6)
    (tmp_path / "f.mha").write_bytes(head.encode() + values.tobytes()[:-4])
    with pytest.raises(RegistrationError, match=r"f\.mha"):
        read_field(tmp_path / "f.mha", slide)


def test_a_field_in_mm_is_known_by_how_little_it_covers(slide, tmp_path):
    head = (
        "NDims = 2\nOffset = 0 0\nElementSpacing = 0.6 0.6\nDimSize = 5 4\n"
        "ElementNumberOfChannels = 2\nElementType = MET_DOUBLE\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "f.mha").write_bytes(head.encode() + np.full((4, 5, 2), 0.012).tobytes())
    with pytest.raises(RegistrationError, match=r"f\.mha covers 0\.0024 × 0\.003 mm.*in mm"):
        read_map([tmp_path / "f.mha"], slide)
    np.save(tmp_path / "m.npy", np.array([[1.0, 0, 0.007], [0, 1, 0.009]]))
    found = read_map([tmp_path / "f.mha", tmp_path / "m.npy"], slide, unit="mm")
    np.testing.assert_allclose(found.apply(np.array([300.0, 400.0])), (319, 421))


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        ([[1.0, 0, 1e6], [0, 1, 0]], r"lays the slides beside each other \(0 % lies"),
        ([[10.0, 0, 0], [0, 10, 0]], "scales by 10, which"),
        ([[0.01, 0, 0], [0, 0.01, 0]], "scales by 0.01, which"),
        ([[1.6, 0, 0], [0, 1, 0]], "stretches by 1.6, which"),
    ],
)
def test_an_absurd_map_made_elsewhere_is_refused(slide, matrix, why):
    with pytest.raises(RegistrationError, match=why):
        measured(Mapping(np.array(matrix)), slide, slide)


def test_a_matrix_and_a_field_are_told_apart_and_joined(slide, tmp_path):
    matrix, values = np.array([[1.0, 0, 7], [0, 1, 9]]), np.full((3, 3, 2), 2.0)
    np.save(tmp_path / "m.npy", matrix)
    np.save(tmp_path / "f.npy", values)
    point = np.array([[300.0, 400.0]])
    paths = [tmp_path / "f.npy", tmp_path / "m.npy"]
    for given_paths, expected in ((paths, (309, 411)), (paths[1:], (307, 409))):
        np.testing.assert_allclose(read_map(given_paths, slide).apply(point), [expected])
    for name in ("no.npy", "no.json", "no.mha"):
        with pytest.raises(RegistrationError, match=rf"{name} cannot .*: No such file"):
            read_map([tmp_path / name], slide)
    for wrong in ([], [paths[0], paths[0]], [tmp_path / "m.txt"]):
        with pytest.raises(RegistrationError):
            read_map(wrong, slide)


def test_a_map_made_elsewhere_is_measured_and_kept(slide):
    right = measured(Mapping(affine_map.identity()), slide, slide)
    assert right.stage == "given"
    assert right.agreeing == 1
    folded = Field(np.zeros((5, 5, 2)), (0.0, 0.0), (600.0, 600.0))
    folded.values[:, 2, 1] = 900.0
    wrong = measured(Mapping(np.array([[1.0, 0, 700], [0, 1, 0]]), folded), slide, slide)
    assert wrong.agreeing < 0.28
    assert any("Look at it" in note for note in wrong.notes)
    assert any("folds" in note for note in wrong.notes)
