from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from translation_scenes import resnet_model, slide_of, tissue, unet_model, whole

from napari_virtual_ihc.errors import Cancelled, ExportError, UsageError
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.networks.resnet import ResnetConfig
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.translation.export import Options, translate_slide
from napari_virtual_ihc.translation.output import tiff_provenance
from napari_virtual_ihc.translation.translator import Translator
from napari_virtual_ihc.translation.verify import verify_output

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.translation.report import TranslationReport

FAST = {"tile": 96, "backend": "torch"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.ome.zarr"


def run(model: Model, out: Path, slide: Any = None, **options: Any) -> TranslationReport:
    words = {key: options.pop(key) for key in ("cancelled", "progress") if key in options}
    chosen = Options(**(FAST | options))
    return translate_slide(
        slide or slide_of(tissue()), model, out, chosen, cache=out.parent / "cache", **words
    )


def stored(out: Path) -> np.ndarray:
    pixels = np.asarray(zarr.open_group(str(out), mode="r")["0"])
    return pixels.transpose(1, 2, 0)


def test_an_export_states_the_seam_of_tiles_that_do_not_fit(model: Model, tmp_path: Path) -> None:
    slide = slide_of(tissue()[:, 96:])
    exact = run(model, tmp_path / "slide.ome.zarr", slide)
    assert exact.seam is None
    alone = run(model, tmp_path / "tile.ome.zarr", slide, statistics="tile")
    assert alone.seam is not None
    assert alone.seam > 1.3
    blended = run(unet_model(tmp_path / "unet"), tmp_path / "unet.ome.zarr", slide)
    assert blended.seam is not None


def test_an_export_is_the_tiles_over_the_cards_background(model: Model, out: Path) -> None:
    report = run(model, out)
    expected = whole(Translator(model, slide_of(tissue()), **FAST, cache=out.parent / "cache"))
    np.testing.assert_array_equal(stored(out), expected[..., :3])
    assert (stored(out)[:, :96] == 240).all()
    assert (report.tiles, report.blank_tiles, report.failed_tiles) == (12, 4, 0)
    assert report.um_per_px == 0.5
    assert report.megapixels_per_second > 0
    opened = open_slide(out)
    assert (opened.mpp, opened.shape) == (0.5, (300, 280))


def test_provenance_names_everything_but_files(model: Model, out: Path) -> None:
    run(model, out)
    text = (out / "zarr.json").read_text().replace("reference_test_mode", "")
    named = zarr.open_group(str(out), mode="r").attrs["virtual-ihc"]
    assert named["virtual"] is True
    assert "Research use only" in named["use"]
    assert named["model"]["weights"] == model.weights_hash
    assert named["statistics"]["hash"]
    for private in ("test", str(out.parent), model.folder.name + "/"):
        assert private not in text


def test_cut_short_it_does_only_what_is_missing(model: Model, out: Path) -> None:
    complete = out.with_name("complete.ome.zarr")
    run(model, complete)
    counts: list[int] = []
    with pytest.raises(Cancelled):
        run(
            model, out, progress=lambda done, _: counts.append(done),
            cancelled=lambda: bool(counts) and counts[-1] >= 4,
        )  # fmt: skip
    report = run(model, out)
    assert 0 < report.resumed_tiles < report.tiles == 12
    np.testing.assert_array_equal(stored(out), stored(complete))
    again = run(model, out)
    assert again.resumed_tiles == 12
    assert again.failed_tiles == 0


def test_resuming_takes_the_statistics_it_began_with(model: Model, out: Path) -> None:
    run(model, out, region=(0, 60, 40, 40))
    for kept in (out.parent / "cache").rglob("*.safetensors"):
        kept.unlink()
    report = run(model, out)
    assert not list((out.parent / "cache").rglob("*.safetensors"))
    assert report.resumed_tiles == 2


def test_another_model_slide_or_setting_is_refused_by_name(
    model: Model, out: Path, tmp_path: Path
) -> None:
    run(model, out, region=(0, 60, 40, 40))
    other = resnet_model(tmp_path / "other", ResnetConfig(ngf=4, n_blocks=2))
    with pytest.raises(ExportError, match="another model"):
        run(other, out)
    with pytest.raises(ExportError, match="another slide"):
        run(model, out, slide_of(tissue(seed=5)))
    with pytest.raises(ExportError, match="statistics slide instead of tile"):
        run(model, out, statistics="tile")
    with pytest.raises(UsageError, match="neither"):
        run(model, out.with_name("picture.png"))


def test_only_tiles_touching_the_region_are_made(model: Model, out: Path) -> None:
    report = run(model, out, region=(40.0, 60.0, 20.0, 30.0))
    assert report.tiles == 2
    pyramid = OmeZarrPyramid.open(out)
    written = {(r, c) for r in range(4) for c in range(3) if pyramid.has_tile(r, c)}
    assert written == {(0, 1), (1, 1)}
    with pytest.raises(UsageError, match="does not touch"):
        run(model, out, region=(9000.0, 0.0, 10.0, 10.0))


def test_failed_tiles_are_hatched_listed_and_tried_again(model: Model, out: Path) -> None:
    bad = np.zeros((300, 280), np.bool_)
    bad[96:192, 192:280] = True
    broken, mended = slide_of(tissue(), bad=bad), slide_of(tissue())
    object.__setattr__(mended, "fingerprint", broken.fingerprint)
    report = run(model, out, broken)
    assert report.failed_tiles == 1
    assert report.failures == ("1, 2: The slide cannot be read here.",)
    np.testing.assert_array_equal(stored(out)[96:192, 192:], hatch(96, 192, 96, 88)[..., :3])
    again = run(model, out, mended)
    assert (again.failed_tiles, again.resumed_tiles) == (0, 11)
    assert not (stored(out)[96:192, 192:] == hatch(96, 192, 96, 88)[..., :3]).all()


def test_partly_unreadable_tiles_are_counted_apart(model: Model, out: Path) -> None:
    bad = np.zeros((300, 280), np.bool_)
    bad[100:110, 200:210] = True
    report = run(model, out, slide_of(tissue(), bad=bad))
    assert (report.failed_tiles, report.incomplete_tiles) == (0, 1)
    assert report.incomplete == ("1, 2",)
    assert not report.whole


def test_a_full_disk_is_one_sentence_and_what_is_written_stays(
    model: Model, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = OmeZarrPyramid._put, [3]

    def put(self: OmeZarrPyramid, level: int, row: int, col: int, rgb: np.ndarray) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, level, row, col, rgb)

    monkeypatch.setattr(OmeZarrPyramid, "_put", put)
    with pytest.raises(ExportError, match="cannot be written"):
        run(model, out)
    monkeypatch.setattr(OmeZarrPyramid, "_put", real)
    report = run(model, out)
    assert report.resumed_tiles == 3
    assert report.failed_tiles == 0


def test_a_folder_that_cannot_be_made_is_one_sentence(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        run(model, tmp_path / "file" / "out.ome.zarr")


def test_tiff_is_staged_and_written_once(model: Model, tmp_path: Path) -> None:
    out, twin = tmp_path / "out.ome.tiff", tmp_path / "twin.ome.zarr"
    with pytest.raises(Cancelled):
        run(model, out, cancelled=iter([False] * 6 + [True] * 99).__next__)
    assert not out.exists()
    report = run(model, out)
    assert report.failed_tiles == 0
    assert [path.name for path in tmp_path.glob(".*staging*")] == []
    run(model, twin)
    opened = open_slide(out)
    assert opened.mpp == pytest.approx(0.5)
    pixels, valid = opened.source.read(0, 0, 0, 300, 280)
    assert valid.all()
    np.testing.assert_array_equal(pixels, stored(twin))
    assert tiff_provenance(out)["model"]["weights"] == model.weights_hash
    with pytest.raises(ExportError, match="exists already"):
        run(model, out)


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tiff"])
def test_verify_agrees_and_notices_what_is_wrong(model: Model, tmp_path: Path, name: str) -> None:
    out, slide = tmp_path / name, slide_of(tissue())
    run(model, out, slide)
    cache = tmp_path / "cache"
    report = verify_output(out, slide, model, cache=cache)
    assert report.agrees
    assert report.exact
    assert report.checked_tiles == 8
    stranger = verify_output(out, slide_of(tissue(seed=4)), model, cache=cache)
    assert not stranger.agrees
    assert "another slide" in stranger.reason
    deeper = resnet_model(tmp_path / "other", ResnetConfig(ngf=4, n_blocks=2))
    assert "other weights" in verify_output(out, slide, deeper, cache=cache).reason


def test_verify_notices_a_tampered_pixel_anywhere(model: Model, out: Path) -> None:
    slide = slide_of(tissue())
    run(model, out, slide)
    array = zarr.open_group(str(out), mode="r+")["0"]
    array[1, 250, 250] = int(array[1, 250, 250]) ^ 1
    report = verify_output(out, slide, model, n=1, cache=out.parent / "cache")
    assert not report.agrees
    assert report.altered_tiles == ("0/2/2",)
    (out / "virtual-ihc/checksums.json").unlink()
    deeper = verify_output(out, slide, model, n=12, cache=out.parent / "cache")
    assert not deeper.agrees
    assert deeper.differing_tiles == ("2, 2: up to 1 grey levels",)


def test_verify_on_other_hardware_allows_the_stated_tolerance(model: Model, out: Path) -> None:
    slide = slide_of(tissue())
    run(model, out, slide, backend="openvino")
    group = zarr.open_group(str(out), mode="r+")
    named = json.loads(json.dumps(group.attrs["virtual-ihc"]))
    named["settings"] |= {"device_kind": "cuda-Tesla", "device": "cuda", "backend": "torch"}
    named["key"] = "0" * 32
    group.attrs["virtual-ihc"] = named
    report = verify_output(out, slide, model, cache=out.parent / "cache")
    assert report.agrees
    assert not report.exact


def test_foreign_outputs_are_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "x.ome.zarr").mkdir()
    with pytest.raises(ExportError):
        verify_output(tmp_path / "x.ome.zarr", slide_of(tissue()), model)


def test_damage_to_an_export_is_told_and_made_anew(model: Model, out: Path) -> None:
    slide, cache = slide_of(tissue()), out.parent / "cache"
    run(model, out, slide)
    whole_before = stored(out)
    (out / "0" / "c" / "0" / "1" / "1").write_bytes(b"garbage")
    report = verify_output(out, slide, model, n=12, cache=cache)
    assert not report.agrees
    assert report.altered_tiles == ("0/1/1",)
    mended = run(model, out, slide)
    assert mended.resumed_tiles == 11
    np.testing.assert_array_equal(stored(out), whole_before)
    assert verify_output(out, slide, model, cache=cache).agrees
    (out / "virtual-ihc" / "checksums.json").write_text("{")
    with pytest.raises(ExportError, match=r"checksums\.json is damaged; remove it"):
        run(model, out, slide)


def test_verify_says_what_was_not_finished(model: Model, out: Path) -> None:
    counts: list[int] = []
    with pytest.raises(Cancelled):
        run(
            model, out, progress=lambda done, _: counts.append(done),
            cancelled=lambda: bool(counts),
        )  # fmt: skip
    report = verify_output(out, slide_of(tissue()), model, cache=out.parent / "cache")
    assert not report.agrees
    assert f"was not finished: {counts[-1]} of the 12 tiles asked for" in report.reason


def test_an_unfinished_region_is_counted_by_its_own_tiles(model: Model, out: Path) -> None:
    counts: list[tuple[int, int]] = []
    with pytest.raises(Cancelled):
        run(
            model, out, region=(0, 60, 150, 40),
            progress=lambda *done: counts.append(done), cancelled=lambda: bool(counts),
        )  # fmt: skip
    done, wanted = counts[-1]
    report = verify_output(out, slide_of(tissue()), model, cache=out.parent / "cache")
    assert f"was not finished: {done} of the {wanted} tiles asked for" in report.reason
    assert done < wanted < 12
    run(model, out, region=(0, 60, 150, 40))
    assert verify_output(out, slide_of(tissue()), model, cache=out.parent / "cache").agrees
    assert not report.differing_tiles


def test_one_process_writes_an_export(
    model: Model, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, out, region=(0, 60, 40, 40))
    init = ProcessIdentity.of(os.getppid())
    init.write(out / "virtual-ihc" / "writer.json")
    with pytest.raises(ExportError, match=f"is being written by process {init.pid}"):
        run(model, out)
    monkeypatch.setattr(ProcessIdentity, "alive", lambda self: False)
    assert run(model, out).failed_tiles == 0
    assert not (out / "virtual-ihc" / "writer.json").exists()


def test_another_scale_is_not_called_another_slide(model: Model, out: Path) -> None:
    slide = slide_of(tissue())
    run(model, out, slide, region=(0, 60, 40, 40))
    with pytest.raises(ExportError, match="another scale"):
        run(model, out, slide.with_mpp(0.4))
