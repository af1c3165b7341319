from __future__ import annotations

import json
import pickle
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_virtual_ihc.errors import CheckpointError, ModelError, UsageError
from napari_virtual_ihc.models import _unpack, importing
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.importing import ImportFacts, import_checkpoint
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FACTS = ImportFacts("mine", 0.4661, "HER2", licence="CC BY-NC 4.0")


def generator(**changes: Any) -> ResnetGenerator:
    torch.manual_seed(7)
    network = ResnetGenerator(ResnetConfig(ngf=3, n_blocks=1, **changes))
    for _ in range(3):
        network.train()(torch.rand(1, 3, 16, 16))
    return network.eval()


def saved(tmp_path: Path, content: object, **how: Any) -> Path:
    path = tmp_path / "latest_net_G.pth"
    torch.save(content, path, **how)
    return path


def imported(tmp_path: Path, path: Path) -> torch.nn.Module:
    return load_model(import_checkpoint(path, FACTS, tmp_path / "mine")).network()


def check_equal(ours: torch.nn.Module, reference: torch.nn.Module) -> None:
    image = torch.rand(1, 3, 16, 24) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(ours(image), reference(image), rtol=0, atol=1e-6)


def nested(network: ResnetGenerator) -> object:
    state = {f"module.netG.{k}": v for k, v in network.state_dict().items()}
    return {"epoch": 3, "state_dict": state | {"module.netD.enc.0.weight": torch.zeros(2)}}


def with_leftovers(network: ResnetGenerator) -> object:
    return network.state_dict() | {
        "model.2.running_mean": torch.zeros(3),
        "model.2.running_var": torch.ones(3),
        "model.2.num_batches_tracked": torch.tensor(3),
    }


def new_style(network: ResnetGenerator) -> object:
    names = {"weight_orig": "original", "weight_u": "0._u", "weight_v": "0._v"}
    state = OrderedDict()
    for key, value in network.state_dict().items():
        layer, _, last = key.rpartition(".")
        new = f"{layer}.parametrizations.weight.{names[last]}" if last in names else key
        state[new] = value
    return state


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack in this process: what the child does is tested where it matters."""

    def here(path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
        return _unpack.plain(_unpack.tensors(_unpack.generator_part(_unpack.load(path)))), []

    monkeypatch.setattr(importing, "_unpack", here)


@pytest.mark.usefixtures("no_child")
@pytest.mark.parametrize(
    ("switches", "wrap"),
    [
        ({"antialias_up": False, "spectral": True}, new_style),
        ({"dropout": 0.5, "norm": "batch"}, nested),
        ({}, with_leftovers),
    ],
)
def test_old_checkpoints_give_the_same_images(
    tmp_path: Path, switches: dict[str, Any], wrap: Callable[[ResnetGenerator], object]
) -> None:
    network = generator(**switches)
    check_equal(imported(tmp_path, saved(tmp_path, wrap(network))), network)


@pytest.mark.usefixtures("no_child")
def test_the_card_says_what_is_known_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "train_opt.txt").write_text("   ngf: 64  \t[default: 64]\n")
    path = saved(tmp_path, nested(generator(spectral=True)))
    card = load_model(import_checkpoint(path, FACTS, tmp_path / "mine")).card
    assert (card.marker, card.tissue, card.licence) == ("HER2", "unknown", "CC BY-NC 4.0")
    assert (card.mpp_in, card.mpp_out, card.tiling) == (0.4661, 0.4661, "exact")
    assert (card.dependency_radius, card.default_statistics) == (29, "slide")
    assert card.arguments["spectral"] is False
    assert any("other networks" in note for note in card.notes)
    assert any("ngf = 64" in note for note in card.notes)
    sidecar = json.loads((tmp_path / "latest_net_G.nvihc.json").read_text())
    assert sidecar["arguments"]["spectral"] is True
    assert sidecar["sha256"] == card.source_sha256


def test_the_former_file_format_is_read(tmp_path: Path) -> None:
    network = generator()
    path = saved(tmp_path, network.state_dict(), _use_new_zipfile_serialization=False)
    check_equal(imported(tmp_path, path), network)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_file_that_would_run_code_does_not(tmp_path: Path, form: str) -> None:
    target = tmp_path / "was-run"
    content = {"model.1.weight": torch.zeros(3, 3, 7, 7), "extra": Evil(target)}
    path = tmp_path / "evil.pth"
    torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"evil\.pth.*exec.*run code.*state_dict\(\)"):
        import_checkpoint(path, FACTS, tmp_path / "mine")
    assert not target.exists()
    assert not (tmp_path / "mine").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_does_not_run_either(tmp_path: Path) -> None:
    target, path = tmp_path / "was-run", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(_unpack.Refused, match="not a PyTorch checkpoint"):
        _unpack.load(path)
    assert not target.exists()


def test_a_pickled_network_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(_unpack.Refused, match=r"Conv2d.*state_dict\(\)"):
        _unpack.load(saved(tmp_path, torch.nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize("keep", [0.0, 0.9, None])
def test_a_damaged_file_gets_one_sentence(tmp_path: Path, keep: float | None) -> None:
    path = saved(tmp_path, generator().state_dict())
    whole = path.read_bytes()
    path.write_bytes(b"not a checkpoint" if keep is None else whole[: int(keep * len(whole))])
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, FACTS, tmp_path / "mine")
    text = str(caught.value)
    assert "\n" not in text
    assert "latest_net_G.pth is damaged or not a PyTorch checkpoint" in text
    assert len(text) - len(str(path)) < 250


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a file"):
        import_checkpoint(tmp_path / "absent.pth", FACTS, tmp_path / "mine")


def test_expanded_tensors_do_not_fill_the_memory() -> None:
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)
    with pytest.raises(_unpack.Refused, match="declares"):
        _unpack.require_plausible({"model.1.weight": huge}, 1 << 20)


@pytest.mark.parametrize("odd", [torch.zeros(3, dtype=torch.complex64), torch.eye(3).to_sparse()])
def test_tensors_of_other_kinds_are_refused(odd: torch.Tensor) -> None:
    with pytest.raises(_unpack.Refused, match="weight"):
        _unpack.require_plausible({"weight": odd}, 1 << 20)


@pytest.mark.parametrize("name", ["state_dict", "model", "netG", "G", "generator", "params_ema"])
def test_the_generator_is_found_inside_a_training_checkpoint(name: str) -> None:
    assert _unpack.generator_part({name: {"model.1.bias": 1}, "epoch": 2}) == {"model.1.bias": 1}


def test_something_else_than_a_dictionary_is_told() -> None:
    with pytest.raises(_unpack.Refused, match="list"):
        _unpack.generator_part([1])


@pytest.mark.slow
def test_a_compression_bomb_is_stopped(tmp_path: Path) -> None:
    plain = saved(tmp_path, {"model.1.weight": torch.zeros(400 << 20, dtype=torch.float32)})
    bomb = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for item in source.infolist():
            with source.open(item) as data, packed.open(item.filename, "w") as out:
                while block := data.read(1 << 22):
                    out.write(block)
    plain.unlink()
    with pytest.raises(CheckpointError, match=r"bomb\.pth"):
        import_checkpoint(bomb, FACTS, tmp_path / "mine")


def test_a_reader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, generator().state_dict())
    monkeypatch.setattr(importing, "_SECONDS", 0.01)
    with pytest.raises(CheckpointError, match="was not read within"):
        import_checkpoint(path, FACTS, tmp_path / "mine")


@pytest.mark.usefixtures("no_child")
def test_weights_that_do_not_fit_show_the_lists_and_the_network(tmp_path: Path) -> None:
    state = generator().state_dict()
    state["model.99.weight"] = state.pop("model.8.bias")
    path = saved(tmp_path, state)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, FACTS, tmp_path / "mine")
    for part in ("missing model.8.bias", "unexpected model.99.weight", "'n_blocks': 1"):
        assert part in str(caught.value)


@pytest.mark.usefixtures("no_child")
def test_infinite_weights_are_refused(tmp_path: Path) -> None:
    state = generator().state_dict()
    state["model.1.bias"][0] = float("inf")
    with pytest.raises(ModelError, match=r"model\.1\.bias"):
        import_checkpoint(saved(tmp_path, state), FACTS, tmp_path / "mine")


@pytest.mark.usefixtures("no_child")
def test_impossible_facts_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mpp_in"):
        import_checkpoint(tmp_path / "x.pth", ImportFacts("mine", -1, "HER2"), tmp_path / "mine")


@pytest.mark.usefixtures("no_child")
def test_a_read_only_folder_needs_no_sidecar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, generator().state_dict())
    monkeypatch.setattr(importing.os, "access", lambda *_: False)
    import_checkpoint(path, FACTS, tmp_path / "mine")
    assert not path.with_name("latest_net_G.nvihc.json").exists()
