from __future__ import annotations

import pickle
import shutil

import imagecodecs
import numpy as np
import pydicom
import pytest
from make import levels_of, tissue
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.open import open_slide

IMAGE = tissue(300, 400)
WSI = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
TILE = 128


def frames_of(image: np.ndarray) -> list[np.ndarray]:
    rows, cols = -(-image.shape[0] // TILE), -(-image.shape[1] // TILE)
    pad = ((0, rows * TILE - image.shape[0]), (0, cols * TILE - image.shape[1]), (0, 0))
    image = np.pad(image, pad, mode="edge")
    return [
        np.ascontiguousarray(image[r * TILE : (r + 1) * TILE, c * TILE : (c + 1) * TILE])
        for r, c in np.ndindex(rows, cols)
    ]


def write_instance(
    path, image, *, syntax=JPEG2000Lossless, kind="VOLUME", spacing=0.0005, series="1.2.3",
    sparse=None, table=True, **extra,
):  # fmt: skip
    frames = frames_of(image)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID, data.SOPInstanceUID = WSI, f"1.2.{len(frames)}"
    data.SeriesInstanceUID = series
    data.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE"]
    data.Rows = data.Columns = TILE
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = image.shape[:2]
    data.SamplesPerPixel, data.BitsAllocated = 3, 8
    data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "YBR_FULL_422" if syntax == JPEGBaseline8Bit else "RGB"
    data.DimensionOrganizationType = "TILED_FULL"
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [spacing, spacing]
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    if sparse is not None:
        data.DimensionOrganizationType = "TILED_SPARSE"
        data.PerFrameFunctionalGroupsSequence = [placed(row, col) for row, col in sparse]
        cols = -(-image.shape[1] // TILE)
        frames = [frames[row * cols + col] for row, col in sparse]
    data.NumberOfFrames = len(frames)
    for name, value in extra.items():
        setattr(data, name, value)
    if syntax == ExplicitVRLittleEndian:
        data.PixelData = b"".join(frame.tobytes() for frame in frames)
        data["PixelData"].VR = "OB"
    else:
        encode = {
            JPEG2000Lossless: lambda f: imagecodecs.jpeg2k_encode(f, level=0, codecformat="j2k"),
            JPEGBaseline8Bit: lambda f: imagecodecs.jpeg_encode(f, level=95),
        }[syntax]
        data.PixelData = encapsulate([encode(f) for f in frames], has_bot=table)
        data["PixelData"].is_undefined_length = True
    path.parent.mkdir(exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def placed(row: int, col: int) -> Dataset:
    at, group = Dataset(), Dataset()
    at.RowPositionInTotalImagePixelMatrix = row * TILE + 1
    at.ColumnPositionInTotalImagePixelMatrix = col * TILE + 1
    group.PlanePositionSlideSequence = [at]
    return group


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, ExplicitVRLittleEndian, JPEGBaseline8Bit])
def test_frames_of_every_encoding(tmp_path, syntax, table: bool) -> None:
    slide = open_slide(write_instance(tmp_path / "a.dcm", IMAGE, syntax=syntax, table=table))
    assert slide.mpp == pytest.approx(0.5)
    error = np.abs(np.asarray(slide.levels[0]).astype(int) - IMAGE)
    assert error.max() == 0 if syntax != JPEGBaseline8Bit else error.mean() < 2


def test_folder_gives_the_volume_pyramid_and_nothing_else(tmp_path) -> None:
    for level, image in enumerate(levels_of(IMAGE, 2)):
        write_instance(tmp_path / "s" / f"{level}.dcm", image, spacing=0.0005 * 2**level)
    for kind in ("LABEL", "OVERVIEW", "THUMBNAIL"):
        write_instance(tmp_path / "s" / f"{kind}.dcm", IMAGE[:50, :50], kind=kind)
    write_instance(tmp_path / "s" / "other.dcm", IMAGE[:200], series="9.9")
    for path in (tmp_path / "s", tmp_path / "s" / "1.dcm"):
        assert open_slide(path).source.shapes == ((300, 400), (150, 200))
    with pytest.raises(SlideError, match=r"LABEL\.dcm .*LABEL"):
        open_slide(tmp_path / "s" / "LABEL.dcm")


def test_what_a_sparse_image_leaves_out_is_glass(tmp_path) -> None:
    places = [(1, 2), (0, 0), (2, 3)]
    slide = open_slide(write_instance(tmp_path / "a.dcm", IMAGE, sparse=places))
    pixels, valid = slide.source.read(0, 0, 0, 300, 400)
    seen = np.zeros((300, 400), np.bool_)
    for row, col in places:
        seen[row * TILE : (row + 1) * TILE, col * TILE : (col + 1) * TILE] = True
    np.testing.assert_array_equal(pixels[seen], IMAGE[seen])
    assert (pixels[~seen] == 242).all()
    assert valid.all()


def test_a_damaged_frame_is_masked(tmp_path) -> None:
    path = write_instance(tmp_path / "a.dcm", IMAGE)
    data = bytearray(path.read_bytes())
    second = data.find(b"\xff\x4f\xff\x51", data.find(b"\xff\x4f\xff\x51") + 4)
    data[second : second + 4] = b"\0\0\0\0"
    path.write_bytes(data)
    _, valid = open_slide(path).source.read(0, 0, 0, 300, 400)
    assert not valid[:TILE, TILE : 2 * TILE].any()
    assert valid.sum() == 300 * 400 - TILE * TILE


@pytest.mark.parametrize(
    ("extra", "words"),
    [({"SamplesPerPixel": 1}, "single channels"), ({"BitsAllocated": 16}, "16-bit")],
)
def test_other_than_brightfield_is_refused(tmp_path, extra, words) -> None:
    path = write_instance(tmp_path / "a.dcm", IMAGE, **extra)
    with pytest.raises(NotBrightfieldError, match=rf"a\.dcm .*{words}"):
        open_slide(path)


def test_fluorescence_is_refused_by_its_light(tmp_path) -> None:
    code, optics = Dataset(), Dataset()
    code.CodeValue = "111741"
    optics.IlluminationTypeCodeSequence = [code]
    path = write_instance(tmp_path / "a.dcm", IMAGE, OpticalPathSequence=[optics])
    with pytest.raises(NotBrightfieldError, match="fluorescence"):
        open_slide(path)


def test_slide_reopens_in_another_process(tmp_path) -> None:
    slide = open_slide(write_instance(tmp_path / "a.dcm", IMAGE))
    again = pickle.loads(pickle.dumps(slide))
    assert again.fingerprint == slide.fingerprint


def test_a_folder_without_a_slide(tmp_path) -> None:
    write_instance(tmp_path / "s" / "a.dcm", IMAGE, kind="LABEL")
    with pytest.raises(SlideError, match="it has no VOLUME image"):
        open_slide(tmp_path / "s")


def test_real_dicom_shows_what_its_svs_shows(shared_data) -> None:
    dicom = open_slide(shared_data / "wsi" / "dicom_CMU-1-Small-Region")
    svs = open_slide(shared_data / "wsi" / "CMU-1-Small-Region.svs")
    assert dicom.mpp == pytest.approx(0.499)
    assert dicom.source.shapes == svs.source.shapes
    ours, theirs = (np.asarray(slide.levels[0]).astype(int) for slide in (dicom, svs))
    assert np.abs(ours - theirs).mean() < 2.95
    assert np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max() < 0.5


def test_real_dicom_without_its_volume(shared_data, tmp_path) -> None:
    for path in (shared_data / "wsi" / "dicom_CMU-1-Small-Region").iterdir():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if "VOLUME" not in header.ImageType:
            shutil.copy(path, tmp_path)
    with pytest.raises(SlideError, match="no VOLUME image"):
        open_slide(tmp_path)
