"""VSMT's task networks: what they learn from, their teacher, and how they are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError, ModelError
from napari_virtual_ihc.losses.distillation import soft_target_loss
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.vsmt_auxiliaries import VsmtReconstruction
from napari_virtual_ihc.methods.vsmt_classification import VsmtClassification, her2_class
from napari_virtual_ihc.models.resnet18 import load_resnet18
from napari_virtual_ihc.networks.resnet18 import Resnet18, Resnet18Config

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer

BCI = ("HE/00000_train_1+.png", "IHC/00000_train_1+.png", "HE/00001_train_3+.png", "IHC/b_3+.png")


class Plain:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        optimiser.step()


def batch(seed: int = 0, count: int = 2, names: tuple[str, ...] = BCI, step: int = 0) -> Batch:
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, 64, 64, generator=source) * 2 - 1
    return Batch(images[0], images[1], names, step, 1, source)


def brown(shares: list[float]) -> Batch:
    """IHC pictures of white glass, a share of each brown."""
    images = torch.full((len(shares), 3, 64, 64), 0.9)
    for image, share in zip(images, shares, strict=True):
        image[:, : round(64 * share)] = torch.tensor([0.1, -0.3, -0.6]).view(3, 1, 1)
    return Batch(-images, images, ("a",) * len(shares), 0, 1, torch.Generator())


def classification(*settings: str) -> VsmtClassification:
    small = ["ngf=2", "n_blocks=2", *settings]
    return VsmtClassification.build(VsmtClassification.presets["smoke"].with_settings(small), 0)


def reconstruction(*settings: str) -> VsmtReconstruction:
    small = ["ngf=2", "n_blocks=2", *settings]
    return VsmtReconstruction.build(VsmtReconstruction.presets["smoke"].with_settings(small), 0)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    file = tmp_path / "resnet18.safetensors"
    save_file(Resnet18(Resnet18Config()).state_dict(), file)
    return file


@pytest.mark.parametrize("stain", ["he", "ihc"])
def test_a_task_network_sees_its_stain_at_equal_brightness(stain: str) -> None:
    method = reconstruction(f"stain={stain}")
    one = batch()
    changed = Batch(one.he, one.ihc * 0.5 - 0.3, one.names, 0, 1, one.generator)
    seen, other = method.pictures(one), method.pictures(changed)
    assert torch.equal(seen, other) == (stain == "he")
    torch.testing.assert_close(other.mean(dim=(1, 2, 3)), torch.zeros(2), atol=0.05, rtol=0)
    assert {"he": "H&E", "ihc": "IHC"}[stain] in method.notes[0]


def test_the_reconstruction_learns() -> None:
    method = reconstruction("ngf=4", "dropout=0", "lr=0.003")
    y, x = torch.meshgrid(torch.linspace(-3, 3, 64), torch.linspace(-3, 3, 64), indexing="ij")
    image = torch.stack([y.sin(), x.cos(), (x * y).sin()]).expand(2, 3, 64, 64) * 0.5
    waves = Batch(image, image, BCI, 0, 1, torch.Generator())
    losses = [method.training_step(waves, Plain())["MSE"].item() for _ in range(40)]
    assert losses[-1] < 0.25 * losses[0]
    network = method.generator().eval()
    with torch.no_grad():
        figures, picture = method.examine(network, waves), method.picture(network, waves)
    assert set(figures) == set(method.protocols)
    assert picture.shape == (3, 128, 128)
    difference = (picture[:, :, :64] - picture[:, :, 64:]).square().mean()
    assert difference.item() == pytest.approx(figures["reconstruction_mse"], rel=1e-4)


def test_classes_come_from_names() -> None:
    assert [her2_class(f"x/00012_test_{told}.png") for told in ("0", "1+", "2+", "3+")] == [
        0, 1, 2, 3,
    ]  # fmt: skip
    method = classification("classes=names")
    assert method.classes_of(batch()).tolist() == [1, 3]
    assert method.memory == {}
    with pytest.raises(DataError, match=r"slide_3_4\.png carries no HER2 class.*dab_quartiles"):
        method.training_step(batch(names=("slide_3_4.png",) * 2), Plain())


def test_classes_without_names_are_quarters_by_dab_area() -> None:
    method = classification()
    method.training_step(brown([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), Plain())
    assert method.memory["areas"].shape == (8,)
    assert method.classes_of(brown([0, 0.2, 0.4, 0.6])).tolist() == [0, 1, 2, 3]
    assert method.classes_of(brown([0.9, 0.9, 0.9])).tolist() == [3, 3, 3]
    assert "quarters" in method.notes[1]
    for step in range(2):
        method._remember(brown([0.5] * 600))
        assert len(method.memory["areas"]) == min(1000, 8 + 600 * (step + 1))


def test_without_a_teacher_the_loss_is_cross_entropy_and_the_card_says_so() -> None:
    method = classification("classes=names", "dropout=0")
    answers = method.generator()(method.pictures(batch()))
    expected = F.cross_entropy(answers, torch.tensor([1, 3]))
    losses = method.training_step(batch(), Plain())
    assert set(losses) == {"CE", "Cls"}
    assert losses["Cls"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert "without the ImageNet teacher" in method.notes[-1]


def test_the_teacher_learns_along_at_its_own_rate(teacher: Path) -> None:
    method = classification("classes=names", "dropout=0", f"teacher={teacher}")
    assert method.optimisers["Cls_T"].param_groups[0]["lr"] == pytest.approx(4e-5)
    assert len(method.notes) == 1
    answers, taught = (method.networks[n](method.pictures(batch())) for n in ("Cls", "Cls_T"))
    expected = 0.01 * F.cross_entropy(answers, torch.tensor([1, 3]))
    expected = expected + 0.99 * soft_target_loss(answers, taught, 4)
    before = {n: next(method.networks[n].parameters()).clone() for n in method.networks}
    losses = method.training_step(batch(), Plain())
    assert losses["Cls"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert losses["CE_T"].item() == pytest.approx(
        F.cross_entropy(taught, torch.tensor([1, 3])).item(), rel=1e-4
    )
    for letter, network in method.networks.items():
        assert not torch.equal(before[letter], next(network.parameters()))


def test_a_classification_is_judged_and_shown() -> None:
    method = classification("classes=names")
    network = method.generator().eval()
    with torch.no_grad():
        figures, picture = method.examine(network, batch()), method.picture(network, batch())
    assert list(figures) == list(method.protocols)
    assert 0 <= figures["class_accuracy"] <= 1
    assert picture.shape == (3, 128, 128)
    bars = picture[:, :64, 64:]
    assert bool((bars[1] == 0.2).any())
    assert torch.equal(picture[:, :64, :64], method.pictures(batch())[0])


def test_a_resnet18_keeps_its_features_and_gets_a_new_head(teacher: Path, tmp_path: Path) -> None:
    network = load_resnet18(teacher, 4)
    assert sum(p.numel() for p in network.parameters()) == 11_689_512 - 1000 * 513 + 4 * 513
    whole = Resnet18(Resnet18Config())
    from safetensors.torch import load_file

    state = load_file(teacher)
    whole.load_state_dict(state)
    assert torch.equal(whole.layer4[1].conv2.weight, network.layer4[1].conv2.weight)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 4)
    bare = {k: v for k, v in state.items() if not k.startswith("fc") and "num_batches" not in k}
    save_file(bare, tmp_path / "bare.safetensors")
    load_resnet18(tmp_path / "bare.safetensors", 4)
    del bare["layer2.0.downsample.0.weight"]
    save_file(bare, tmp_path / "less.safetensors")
    with pytest.raises(ModelError, match=r"missing layer2\.0\.downsample\.0\.weight"):
        load_resnet18(tmp_path / "less.safetensors", 4)
    with pytest.raises(ModelError, match=r"none\.safetensors is no safetensors file"):
        load_resnet18(tmp_path / "none.safetensors", 4)


def test_resnet18_normalises_as_imagenet_and_halves_five_times() -> None:
    network = Resnet18(Resnet18Config(2)).eval()
    sizes = []
    for number in range(1, 5):
        layer = network.get_submodule(f"layer{number}")
        layer.register_forward_hook(lambda module, i, out: sizes.append(tuple(out.shape[1:])))
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 64, 64) * 2 - 1
    stem = network.conv1
    stem.register_forward_hook(lambda module, inputs, out: sizes.append(inputs[0].abs().max()))
    network(grey)
    assert sizes[0].item() == pytest.approx(0, abs=1e-5)
    assert sizes[1:] == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
