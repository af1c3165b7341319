from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from translation_scenes import GLASS_UNTIL, resnet_model, slide_of, tissue, unet_model

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.networks.norm_statistics import pooled_statistics
from napari_virtual_ihc.networks.resnet import ResnetConfig
from napari_virtual_ihc.translation import sites
from napari_virtual_ihc.translation.backends.lockstep import lockstep_statistics
from napari_virtual_ihc.translation.backends.torch_backend import to_unit
from napari_virtual_ihc.translation.calibration import (
    Statistics,
    collect_statistics,
    ignore,
    load_statistics,
    never,
    statistics_key,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model


def windows(count: int = 3, side: int = 64) -> list[np.ndarray]:
    image = tissue(side, side * count + GLASS_UNTIL)[:, GLASS_UNTIL:]
    return [image[:, i * side : (i + 1) * side].transpose(2, 0, 1) for i in range(count)]


@pytest.mark.parametrize("kind", ["resnet", "classic", "unet"])
def test_lockstep_equals_one_norm_over_all_windows(kind: str, tmp_path: Path) -> None:
    classic = ResnetConfig(ngf=4, n_blocks=2, antialias=False, antialias_up=False, dropout=0.5)
    model = (
        unet_model(tmp_path / "u")
        if kind == "unet"
        else resnet_model(tmp_path / "r", classic if kind == "classic" else None)
    )
    tiles = windows()
    batch = to_unit(torch.from_numpy(np.stack(tiles)))
    expected = pooled_statistics(model.network(), batch)
    found = lockstep_statistics(model.network(), tiles, 0, "cpu", ignore, never)
    assert found.keys() == expected.keys()
    for name, (mean, var) in found.items():
        np.testing.assert_allclose(mean, expected[name].mean, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(var, expected[name].var, rtol=1e-3, atol=1e-7)


def test_margins_are_context_and_never_counted(model: Model) -> None:
    image = tissue(128, 128 + GLASS_UNTIL)[:, GLASS_UNTIL:].transpose(2, 0, 1).copy()
    first = lockstep_statistics(model.network(), [image], 32, "cpu", ignore, never)
    image[:, :16] = 0
    second = lockstep_statistics(model.network(), [image], 32, "cpu", ignore, never)
    name = next(iter(first))
    np.testing.assert_array_equal(first[name][0], second[name][0])


def test_threads_do_not_change_the_statistics(model: Model) -> None:
    before, hashes = torch.get_num_threads(), set()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            layers = lockstep_statistics(model.network(), windows(), 8, "cpu", ignore, never)
            hashes.add(Statistics(layers, 3).hash)
    finally:
        torch.set_num_threads(before)
    assert len(hashes) == 1


def test_statistics_are_kept_and_damage_is_a_miss(model: Model, cache: Path) -> None:
    slide = slide_of(tissue())
    first = collect_statistics(model, slide, cache=cache)
    key = statistics_key(model, slide)
    kept = load_statistics(cache / "statistics", key)
    assert kept is not None
    assert kept.hash == first.hash
    path = cache / "statistics" / f"{key}.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert load_statistics(cache / "statistics", key) is None
    assert collect_statistics(model, slide, cache=cache).hash == first.hash
    path.write_bytes(b"")
    assert load_statistics(cache / "statistics", key) is None


def test_key_follows_slide_scale_and_weights(model: Model, tmp_path: Path) -> None:
    other = resnet_model(tmp_path / "o", ResnetConfig(ngf=4, n_blocks=2))
    keys = {
        statistics_key(model, slide_of(tissue())),
        statistics_key(model, slide_of(tissue(seed=1))),
        statistics_key(model, slide_of(tissue(), mpp=0.25)),
        statistics_key(other, slide_of(tissue())),
    }
    assert len(keys) == 4


def test_cancelled_calibration_keeps_nothing(model: Model, cache: Path) -> None:
    asked = iter([False] * 5)
    with pytest.raises(Cancelled):
        collect_statistics(
            model, slide_of(tissue()), cache=cache, cancelled=lambda: next(asked, True)
        )
    assert not list(cache.rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written_is_said_and_survived(model: Model, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    said: list[str] = []
    found = collect_statistics(model, slide_of(tissue()), cache=blocked, notify=said.append)
    assert found.windows
    assert "could not be kept" in said[0]


def test_glass_and_unreadable_pixels_are_not_sampled() -> None:
    image = np.full((1000, 1400, 3), 242, np.uint8)
    image[:, 700:] = tissue(1000, 700 + GLASS_UNTIL)[:, GLASS_UNTIL:]
    bad = np.zeros((1000, 1400), np.bool_)
    bad[:500] = True
    clean = list(sites.tissue_sites(slide_of(image), 0.5))
    assert clean
    assert all(site.x + site.w > 700 for site in clean)
    assert 0 < len(sites.read_sites(slide_of(image, bad=bad), 0.5)) < len(clean)
    assert sites.read_sites(slide_of(np.full((600, 600, 3), 240, np.uint8)), 0.5) == []


def test_sites_depend_on_geometry_not_on_the_encoding() -> None:
    image = tissue(900, 900)
    noisy = np.clip(
        image.astype(int) + np.random.default_rng(1).integers(-3, 4, image.shape), 0, 255
    )
    first = list(sites.tissue_sites(slide_of(image), 0.5))
    assert first == list(sites.tissue_sites(slide_of(noisy.astype(np.uint8)), 0.5))


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (7, 3), (40, 60)])
def test_order_visits_every_cell_once_and_spreads(rows: int, cols: int) -> None:
    order = sites.spread_order(rows, cols)
    assert sorted(order) == list(range(rows * cols))
    if rows * cols > 100:
        quadrants = {(i // cols >= rows / 2, i % cols >= cols / 2) for i in order[:8].tolist()}
        assert len(quadrants) == 4
