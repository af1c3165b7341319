"""Models that run as the pix2pix codes test: norms of each block, dropout active."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from translation_scenes import slide_of, tissue, whole

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.models.card import ModelCard, read_card
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.models.library import Library, bundled_folder
from napari_virtual_ihc.networks.as_tested import as_tested
from napari_virtual_ihc.networks.dropout import dropout_layers
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.registry import build
from napari_virtual_ihc.tiles.producer import TileAddress, never
from napari_virtual_ihc.translation.backends.torch_backend import to_bytes, to_unit
from napari_virtual_ihc.translation.cluster import order_of
from napari_virtual_ihc.translation.export import Options, translate_slide
from napari_virtual_ihc.translation.translator import Translator
from napari_virtual_ihc.translation.verify import model_of, verify_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NETWORKS = {
    "unet": {"ngf": 4, "n_downs": 6, "dropout": 0.5},
    "resnet": {"ngf": 4, "n_blocks": 2, "norm": "batch", "dropout": 0.5, "antialias": False},
}


def saved(folder: Path, name: str, mode: bool = True, **changes: Any) -> Model:
    arguments = NETWORKS[name] | changes
    network = build(name, arguments)
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(3))
    card = ModelCard(
        name="small", architecture=name, arguments=arguments, mpp_in=0.5, mpp_out=0.5,
        tiling="blended", default_statistics="none", reference_test_mode=mode,
    )  # fmt: skip
    save_model(folder, card, network.state_dict())
    return load_model(folder)


@pytest.fixture(params=sorted(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def make(tmp_path: Path, cache: Path) -> Callable[..., Translator]:
    def built(model: Model, **options: Any) -> Translator:
        given = {"tile": 96, "backend": "torch", "precision": "fp32", "cache": cache} | options
        return Translator(model, slide_of(tissue()), **given)

    return built


def test_a_block_is_what_the_published_code_would_give_of_it(
    make: Callable[..., Translator], tmp_path: Path
) -> None:
    """Without dropout the published result has no chance in it: train mode, statistics alone."""
    translator = make(saved(tmp_path / "m", "unet", dropout=0.0))
    block = next(b for b in translator.plan.all_blocks() if TileAddress(0, 0, 2) in b)
    window = translator.plan.core(block).grown(128)
    reach = (window.y * 0.5, window.x * 0.5, window.h, window.w, 0.5)
    pixels = translator.slide.region(*reach).pixels.transpose(2, 0, 1).copy()
    with torch.no_grad():
        image = translator.model.network().train()(to_unit(torch.from_numpy(pixels)[None]))
    expected = to_bytes(image)[0].permute(1, 2, 0).numpy()[128 : 128 + 96, 128 : 128 + 88]
    tile = translator.compute(translator.load(block))[TileAddress(0, 0, 2)]
    np.testing.assert_allclose(tile[..., :3], expected, rtol=0, atol=1)


def test_bytes_do_not_depend_on_order_mates_or_restarts(
    make: Callable[..., Translator], name: str, tmp_path: Path
) -> None:
    model = saved(tmp_path / "m", name)
    torch.manual_seed(1)
    first = whole(make(model))
    torch.manual_seed(2)
    again = make(model)
    tiles = [tile for block in again.plan.all_blocks() for tile in block]
    random.Random(1).shuffle(tiles)
    for address in tiles:
        y, x, h, w = again.grid.box(address.row, address.col)
        found = again.produce([address], preview=lambda *_: None, cancelled=never)[address]
        np.testing.assert_array_equal(found, first[y : y + h, x : x + w])


def test_dropout_is_active_and_running_statistics_are_not_used(
    make: Callable[..., Translator], name: str, tmp_path: Path
) -> None:
    model = saved(tmp_path / "m", name)
    expected = whole(make(model))
    state = {k: v + 7 if "running_mean" in k else v for k, v in model.state.items()}
    save_model(tmp_path / "other", model.card, state)
    np.testing.assert_array_equal(whole(make(load_model(tmp_path / "other"))), expected)
    still = make(model)
    for layer in dropout_layers(still.forwards.runner.backend._network):
        layer.p = 0.0
    assert (whole(still) != expected)[..., :3].mean() > 0.3


def test_blocks_draw_masks_of_their_own(make: Callable[..., Translator], tmp_path: Path) -> None:
    translator = make(saved(tmp_path / "m", "resnet"))
    pixels = np.full((448, 448, 3), 180, np.uint8)
    first, second = (
        translator.forwards.runner(pixels, translator.plan.core(tiles), never)
        for tiles in list(translator.plan.all_blocks())[:2]
    )
    assert first.shape == (192, 192, 3)
    size = min(first.shape[1], second.shape[1])
    assert (first[:, :size] != second[:, :size]).any()


def test_key_and_provenance_tell_the_mode(
    make: Callable[..., Translator], name: str, tmp_path: Path
) -> None:
    tested, plain = (make(saved(tmp_path / str(m), name, m)) for m in (True, False))
    assert tested.model.weights_hash == plain.model.weights_hash
    assert tested.key != plain.key
    assert (tested.mode, plain.mode) == ("reference", "none")
    assert tested.provenance()["model"]["reference_test_mode"] is True
    assert tested.provenance()["settings"]["statistics"] == "reference"
    assert plain.provenance()["model"]["reference_test_mode"] is False
    assert tested.runs_on.startswith("cpu · torch")
    with pytest.raises(UsageError, match="OpenVINO"):
        make(tested.model, backend="openvino")


def test_outputs_are_verified_in_their_own_mode(tmp_path: Path, cache: Path) -> None:
    library = tmp_path / "library"
    plain, tested = (saved(library / name, "unet", name == "tested") for name in ("a", "tested"))
    slide, out = slide_of(tissue()), tmp_path / "out.ome.zarr"
    options = Options(tile=96, backend="torch", precision="fp32")
    translate_slide(slide, tested, out, options, cache=cache)
    assert verify_output(out, slide, tested, cache=cache).agrees
    report = verify_output(out, slide, plain, cache=cache)
    assert not report.agrees
    assert "reference_test_mode" in report.reason
    assert model_of(out, Library([library])).folder == tested.folder


def test_a_worker_is_asked_for_the_same(make: Callable[..., Translator], tmp_path: Path) -> None:
    translator = make(saved(tmp_path / "m", "unet"))
    order = order_of(translator, tmp_path / "slide.png")
    assert make(translator.model, statistics=order.mode).key == order.key


def test_older_cards_run_in_eval_mode_and_exact_tiling_is_refused(tmp_path: Path) -> None:
    assert read_card(bundled_folder()).reference_test_mode is False
    model = saved(tmp_path / "m", "resnet")
    text = (model.folder / "model.json").read_text()
    changed = text.replace('"blended"', '"exact"').replace(
        '"dependency_radius": null', '"dependency_radius": 40'
    )
    (model.folder / "model.json").write_text(changed)
    with pytest.raises(ModelError, match="reference_test_mode needs tiling 'blended'"):
        read_card(model.folder)


def test_pictures_of_a_batch_keep_their_own_statistics() -> None:
    network = build("resnet", NETWORKS["resnet"] | {"dropout": 0.0})
    pictures = torch.rand(2, 3, 16, 16) * torch.tensor([1.0, 0.3]).view(2, 1, 1, 1)
    with torch.no_grad():
        alone = [network.train()(picture[None]) for picture in pictures]
        together = as_tested(network.eval())(pictures)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
