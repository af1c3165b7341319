"""A network that cannot be folded into convolutions: translated as it is, its norms frozen."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from translation_scenes import GLASS_UNTIL, ammfi_model, slide_of, tissue, whole

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.measures.seam import SeamFigure
from napari_virtual_ihc.networks.ammfi import AmmfiConfig, AmmfiGenerator
from napari_virtual_ihc.networks.attention import ChannelAttention
from napari_virtual_ihc.networks.norm import LayerStatistics
from napari_virtual_ihc.networks.norm_statistics import (
    freeze_statistics,
    norm_layers,
    pooled_statistics,
)
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.backends.lockstep import lockstep_statistics
from napari_virtual_ihc.translation.backends.torch_backend import to_bytes, to_unit
from napari_virtual_ihc.translation.calibration import ignore
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model


@pytest.fixture(scope="module")
def attended(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return ammfi_model(tmp_path_factory.mktemp("attended") / "small")


@pytest.fixture
def make(attended: Model, cache: Path) -> Callable[..., Translator]:
    def build(**options: Any) -> Translator:
        given = {"tile": 96, "precision": "fp32", "device": "cpu", "cache": cache} | options
        slide = given.pop("slide", None) or slide_of(tissue(480, 500))
        return Translator(given.pop("model", attended), slide, **given)

    return build


def frozen(translator: Translator) -> torch.nn.Module:
    network, found = translator.model.network(), translator.statistics
    assert found is not None
    layers = {
        name: LayerStatistics(torch.tensor(mean), torch.tensor(var))
        for name, (mean, var) in found.layers.items()
    }
    freeze_statistics(network, layers)
    return network


def test_a_tile_is_the_frozen_network_on_its_block(make: Callable[..., Translator]) -> None:
    translator = make()
    assert (translator.mode, translator.choice.backend) == ("slide", "torch")
    assert translator.plan.margin == 128
    assert not translator.facts.exact
    block = list(translator.plan.all_blocks())[1]
    loaded = translator.load(block)
    assert loaded.core is not None
    with torch.inference_mode():
        pixels = torch.from_numpy(loaded.pixels.transpose(2, 0, 1).copy())[None]
        image = to_bytes(frozen(translator)(to_unit(pixels)))[0].permute(1, 2, 0).numpy()
    inner = image[128:-128, 128:-128].astype(int)
    for address, tile in translator.compute(loaded).items():
        inside = translator.plan.box(address).inside(loaded.core)
        assert np.abs(tile[..., :3] - inner[inside]).max() <= 1


@pytest.mark.parametrize(
    ("mode", "precision"),
    [("slide", "fp32"), ("slide", "bf16"), ("tile", "fp32"), ("dense", "fp32")],
)
def test_bytes_do_not_depend_on_order_mates_or_restarts(
    make: Callable[..., Translator], mode: str, precision: str
) -> None:
    first = whole(make(statistics=mode, precision=precision))
    again = make(statistics=mode, precision=precision)
    tiles = [tile for block in again.plan.all_blocks() for tile in block]
    random.Random(1).shuffle(tiles)
    for address in tiles:
        y, x, h, w = again.grid.box(address.row, address.col)
        found = again.produce([address], preview=lambda *_: None, cancelled=never)[address]
        np.testing.assert_array_equal(found, first[y : y + h, x : x + w])


def test_threads_do_not_change_a_byte(make: Callable[..., Translator]) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(whole(make()))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_seam_of_frozen_norms(
    make: Callable[..., Translator], capsys: pytest.CaptureFixture[str]
) -> None:
    """Channel attention still pools over each block, so that a seam of its own remains."""
    seams = {}
    for mode in ("slide", "tile"):
        figure = SeamFigure(96)
        figure.update(whole(make(statistics=mode))[:, GLASS_UNTIL - 4 :, :3])
        seams[mode] = figure.compute()
    with capsys.disabled():
        print(f"\nseam of attended tiles: { ({k: round(v, 2) for k, v in seams.items()}) }")
    assert seams["slide"] < 1.3
    assert seams["tile"] > seams["slide"]


def test_beyond_its_pooling_the_network_reaches_less_than_the_margin() -> None:
    """What neighbouring blocks disagree on comes from channel attention alone."""
    made = AmmfiGenerator(AmmfiConfig(ngf=1, n_blocks=6)).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(0.01)
    for layer in norm_layers(made).values():
        layer.freeze(LayerStatistics(torch.zeros(layer.channels), torch.ones(layer.channels)))
    for module in made.modules():
        if isinstance(module, ChannelAttention):
            module.mlp = torch.nn.Identity()
            module.register_forward_hook(lambda _, inputs, out: torch.ones_like(out))
    reach = 0
    for pixel in range(160, 164):
        x = torch.zeros(1, 3, 320, 320, dtype=torch.float64, requires_grad=True)
        made(x)[0, 0, pixel, pixel].backward()
        assert x.grad is not None
        rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
        reach = max(reach, pixel - int(rows.min()), int(rows.max()) - pixel)
    assert dependency_radius(AmmfiConfig().trunk) < reach <= 128


def test_statistics_are_pooled_layer_by_layer(attended: Model) -> None:
    image = tissue(64, 192 + GLASS_UNTIL)[:, GLASS_UNTIL:]
    tiles = [image[:, i * 64 : (i + 1) * 64].transpose(2, 0, 1) for i in range(3)]
    batch = to_unit(torch.from_numpy(np.stack(tiles)))
    expected = pooled_statistics(attended.network(), batch)
    found = lockstep_statistics(attended.network(), tiles, 0, "cpu", ignore, never)
    assert found.keys() == expected.keys()
    assert any(name.startswith("skips.") for name in found)
    for name, (mean, var) in found.items():
        np.testing.assert_allclose(mean, expected[name].mean, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(var, expected[name].var, rtol=1e-3, atol=1e-7)


def test_instance_norms_inside_the_attention_are_frozen_too(
    make: Callable[..., Translator], tmp_path: Path
) -> None:
    model = ammfi_model(tmp_path / "i", AmmfiConfig(ngf=4, n_blocks=1, ammfi_norm="instance"))
    translator = make(model=model)
    assert translator.statistics is not None
    assert translator.statistics.layers.keys() == norm_layers(model.network()).keys()
    assert whole(translator)[..., 3].any()


def test_without_any_instance_norm_there_is_nothing_to_freeze(
    make: Callable[..., Translator], tmp_path: Path
) -> None:
    model = ammfi_model(tmp_path / "b", AmmfiConfig(ngf=4, n_blocks=1, trunk_norm="batch"))
    translator = make(model=model)
    assert (translator.mode, translator.statistics) == ("none", None)
    assert whole(translator)[..., 3].any()


def test_bf16_stays_within_three_grey_levels(make: Callable[..., Translator]) -> None:
    fine, coarse = (whole(make(precision=p))[..., :3].astype(int) for p in ("fp32", "bf16"))
    assert np.mean(np.abs(fine - coarse) <= 3) >= 0.999


def test_openvino_is_refused_with_the_reason_and_never_chosen(
    make: Callable[..., Translator],
) -> None:
    assert make(backend="auto").choice.backend == "torch"
    for mode in ("slide", "dense"):
        with pytest.raises(UsageError, match=r"cannot be folded into; take --backend torch"):
            make(backend="openvino", statistics=mode)
