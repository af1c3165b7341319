"""Where mixed precision is used, where it ends, and how far it is from float32."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from test_loop import new_run, stop_at
from torch import nn

from napari_virtual_ihc.errors import JobError, UsageError
from napari_virtual_ihc.losses.patch_nce import patch_nce
from napari_virtual_ihc.methods import contrastive
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.spectral import SpectralConv2d
from napari_virtual_ihc.training import precision
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.precision import make_fabric, run_in, settled
from napari_virtual_ihc.training.world import ALONE, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from napari_virtual_ihc.training.settings import TrainingSettings

IMAGE = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def mixed(network: nn.Module) -> nn.Module:
    run_in(network, make_fabric("cpu", "bf16-mixed", ALONE))
    return network


@pytest.mark.parametrize(("units", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, units: bool, expected: str
) -> None:
    monkeypatch.setattr(precision, "has_bf16_units", lambda: units)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: units)
    assert settled("auto", "cpu") == expected
    assert settled("auto", "cuda") == expected
    assert settled("auto", "mps") == "32-true"
    assert settled("bf16-mixed", "cpu") == "bf16-mixed"


def test_float16_needs_a_gpu() -> None:
    with pytest.raises(UsageError, match="'16-mixed' needs a CUDA GPU"):
        make_fabric("cpu", "16-mixed", ALONE)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    with pytest.raises(UsageError, match="this machine has 1; start fewer processes"):
        make_fabric("cuda", "32-true", Place(1, 2, 1))
    assert taken == []


def test_passes_run_in_bfloat16_and_give_float32() -> None:
    network = mixed(ResnetGenerator(ResnetConfig(ngf=4, n_blocks=1)))
    assert isinstance(network, ResnetGenerator)
    inner: list[torch.dtype] = []
    conv = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    conv.register_forward_hook(lambda module, given, out: inner.append(out.dtype))
    found = [network(IMAGE), *network.features(IMAGE, (0, 4), whole=True)]
    assert inner == [torch.bfloat16, torch.bfloat16]
    assert {tensor.dtype for tensor in found} == {torch.float32}
    assert not torch.is_autocast_enabled("cpu")


def test_a_copy_of_a_mixed_network_runs_its_own_weights() -> None:
    network = mixed(PatchGan(PatchGanConfig(ndf=4, n_layers=2)))
    other = copy.deepcopy(network)
    assert torch.equal(other(IMAGE), network(IMAGE))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not other(IMAGE).any()
    assert network(IMAGE).any()


def test_full_precision_leaves_networks_as_they_are() -> None:
    network = ResnetGenerator(ResnetConfig(ngf=4, n_blocks=1))
    run_in(network, make_fabric("cpu", "32-true", ALONE))
    assert type(network) is ResnetGenerator


def test_spectral_weights_and_norm_statistics_stay_float32() -> None:
    config = ResnetConfig(ngf=4, n_blocks=1, spectral=True)
    torch.manual_seed(0)
    network = ResnetGenerator(config).eval()
    layer = next(m for m in network.modules() if isinstance(m, SpectralConv2d))
    expected = layer.effective_weight()
    norm = network.model[2]
    seen: list[Tensor] = []
    norm.observer = lambda mean, var, count: seen.extend((mean, var))  # type: ignore[assignment]
    weights: list[Tensor] = []
    honest = layer.effective_weight
    layer.effective_weight = lambda: weights.append(honest()) or honest()  # type: ignore[assignment, func-returns-value]
    mixed(network)(IMAGE)
    assert torch.equal(weights[0], expected)
    assert {tensor.dtype for tensor in seen} == {torch.float32}


def first_losses(settings: TrainingSettings, path: Path) -> dict[str, float]:
    """The losses of one step whose optimisers do nothing."""
    trainer = Trainer(new_run(path, settings), settings)
    trainer.engine.step = lambda optimiser: None  # type: ignore[method-assign]
    losses = trainer.method.training_step(trainer.sampler.batch(0), trainer.engine)
    return {name: float(value) for name, value in losses.items()}


def test_losses_of_asp_agree_with_float32_within_a_half_percent(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    switches = ("ngf=8", "ndf=8", "n_blocks=2", "num_patches=64", "crop_size=64", "batch_size=2")
    exact, rough = (
        first_losses(tiny(*switches, precision=words), tmp_path / words)
        for words in ("32-true", "bf16-mixed")
    )
    assert rough == pytest.approx(exact, rel=5e-3)
    assert rough != exact


def test_losses_see_float32_outside_of_autocast(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.dtype, torch.dtype, bool]] = []

    def watching(query: Tensor, key: Tensor, **rest: object) -> Tensor:
        seen.append((query.dtype, key.dtype, torch.is_autocast_enabled("cpu")))
        return patch_nce(query, key, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(contrastive, "patch_nce", watching)
    first_losses(tiny(precision="bf16-mixed"), tmp_path / "run")
    assert set(seen) == {(torch.float32, torch.float32, False)}


@pytest.mark.parametrize("switch", ["ema_decay=0.7", "spectral_norm=false"])
def test_a_run_in_bfloat16_goes_on_bit_for_bit(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], switch: str
) -> None:
    settings = tiny(switch, "dropout=0.5", precision="bf16-mixed")
    whole, parts = (new_run(tmp_path / name, settings) for name in ("whole", "parts"))
    Trainer(whole, settings).train()
    stop_at(Trainer(parts, settings), 3)
    torch.manual_seed(99)
    Trainer(parts, settings).train()
    assert parts.losses() == whole.losses()


def test_nan_in_bfloat16_is_named_like_any_other(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(precision="bf16-mixed")
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    with torch.no_grad():
        next(trainer.method.networks["F"].parameters()).fill_(float("nan"))
    with pytest.raises(JobError, match=r"is not a number at step 0, with .*tile\d\.png"):
        trainer.train()


class Scaler:
    """Stands for a gradient scaler; notes what is done to whom."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        self.done.append("unscale")
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                parameter.grad.div_(1024)

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        self.done.append("step")
        optimiser.step()

    def update(self) -> None:
        self.done.append("update")


def test_float16_gradients_are_unscaled_before_clipping_and_the_scale_is_adapted_once(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("clip_norm=1", precision="32-true")
    engine = Trainer(new_run(tmp_path / "run", settings), settings).engine
    scaler = Scaler()
    engine._scaler = scaler  # type: ignore[assignment]
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimisers = [torch.optim.SGD([weight], lr=1.0) for weight in weights]
    for weight, optimiser in zip(weights, optimisers, strict=True):
        weight.grad = torch.tensor([512.0])
        engine.step(optimiser)
    assert [weight.item() for weight in weights] == [-0.5, -0.5]
    engine.end_step()
    assert scaler.done == ["unscale", "step"] * 2 + ["update"]
    scaler.done.clear()
    for _ in range(2):
        weights[0].grad = torch.tensor([512.0])
        engine.step(optimisers[0])
    assert scaler.done == ["unscale", "step", "update", "unscale", "step"]
    weights[0].grad = None
    engine.step(optimisers[0])
    assert scaler.done.count("step") == 2
