from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.files import sha256_file
from napari_virtual_ihc.models.card import read_card
from napari_virtual_ihc.models.folder import load_model, save_model
from napari_virtual_ihc.networks.registry import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.models.card import ModelCard

    MakeCard = Callable[..., ModelCard]


def edit_card(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def rewrite_weights(folder: Path, change: Any) -> None:
    path = folder / "weights.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    edit_card(folder, weights_sha256=sha256_file(path))


def test_a_saved_model_comes_back_and_runs(folder: Path, state: dict[str, torch.Tensor]) -> None:
    model = load_model(folder)
    assert model.card.marker == "HER2"
    assert model.card.tissue == "unknown"
    assert model.weights_hash == sha256_file(folder / "weights.safetensors")
    reference = build(model.card.architecture, model.card.arguments).eval()
    reference.load_state_dict(state)
    image = torch.rand(1, 3, 16, 16)
    network = model.network()
    assert not network.training
    with torch.inference_mode():
        assert torch.equal(network(image), reference(image))


def test_networks_of_one_model_are_independent(folder: Path) -> None:
    model = load_model(folder)
    with torch.no_grad():
        next(model.network().parameters()).zero_()
    assert next(model.network().parameters()).abs().sum() > 0


def test_nothing_but_the_folder_is_left_behind(folder: Path) -> None:
    assert [p.name for p in folder.parent.iterdir()] == ["small"]
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_an_existing_model_is_replaced_only_when_asked(
    folder: Path, state: dict[str, torch.Tensor], make_card: MakeCard
) -> None:
    with pytest.raises(ModelError, match="exists already"):
        save_model(folder, make_card(), state)
    save_model(folder, make_card(marker="Ki67"), state, replace=True)
    assert load_model(folder).card.marker == "Ki67"
    assert [p.name for p in folder.parent.iterdir()] == ["small"]


def test_an_unwritable_place_leaves_the_former_model(
    folder: Path,
    state: dict[str, torch.Tensor],
    make_card: MakeCard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_virtual_ihc.models.folder.save_file", full)
    with pytest.raises(ModelError, match="No space left"):
        save_model(folder, make_card(marker="Ki67"), state, replace=True)
    assert load_model(folder).card.marker == "HER2"
    assert [p.name for p in folder.parent.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"marker": 3}, "marker"),
        ({"mpp_in": ...}, "mpp_in"),
        ({"mpp_out": -1}, "mpp_out"),
        ({"mpp_in": "NaN"}, "mpp_in"),
        ({"tiling": "seamless"}, "tiling"),
        ({"dependency_radius": None}, "dependency_radius"),
        ({"surprise": 1}, "surprise"),
        ({"schema": "virtual-ihc/model/9"}, "virtual-ihc/model/9"),
        ({"background": [240, 240, 300]}, r"background\.2"),
        ({"validation": [{"name": "r", "value": 1.0}]}, r"validation\.0\.protocol"),
        ({"arguments": {"ngf": 10**12}}, "ngf"),
        ({"architecture": "os.system"}, "os.system"),
        ({"weights_sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_a_wrong_card_is_refused_with_the_field(
    folder: Path, changes: dict[str, Any], named: str
) -> None:
    edit_card(folder, **changes)
    with pytest.raises(ModelError, match=named):
        load_model(folder)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"schema": 3}'])
def test_a_damaged_card_names_the_file(folder: Path, damage: str) -> None:
    (folder / "model.json").write_text(damage)
    with pytest.raises(ModelError, match=r"model\.json"):
        read_card(folder)


def test_bit_flips_and_cuts_of_the_weights_are_found(folder: Path) -> None:
    path = folder / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(folder)
    path.write_bytes(whole[: len(whole) // 2])
    edit_card(folder, weights_sha256=sha256_file(path))
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(folder)
    path.unlink()
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        load_model(folder)


def test_weights_that_do_not_fit_are_listed(folder: Path) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["model.9.weight"] = state.pop("model.8.weight")
        state["model.4.bias"] = torch.zeros(5)

    rewrite_weights(folder, change)
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    for told in ("missing model.8.weight", "unexpected model.9.weight", "(5,) instead of (6,)"):
        assert told in str(caught.value)
    assert "'ngf': 3" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    folder: Path, value: float, make_card: MakeCard
) -> None:
    rewrite_weights(folder, lambda state: state["model.4.bias"].fill_(value))
    with pytest.raises(ModelError, match=r"model\.4\.bias"):
        load_model(folder)
    state = load_file(folder / "weights.safetensors")
    with pytest.raises(ModelError, match=r"model\.4\.bias"):
        save_model(folder.with_name("other"), make_card(), state)
    assert not folder.with_name("other").exists()


def test_names_cannot_leave_the_library(make_card: MakeCard) -> None:
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(ValidationError):
            make_card(name=name)
