"""What the paired and the cycle baselines do that the contract of methods does not say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError, UsageError
from napari_virtual_ihc.losses.octave_pyramid import octave_pyramid
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.cut import Cut
from napari_virtual_ihc.methods.cyclegan import CycleGan
from napari_virtual_ihc.methods.fastcut import FastCut
from napari_virtual_ihc.methods.image_pool import exchange
from napari_virtual_ihc.methods.pix2pix import Pix2Pix
from napari_virtual_ihc.methods.pyramid_p2p import PyramidP2P
from napari_virtual_ihc.methods.recipe import read_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.conditional import ConditionalGan
    from napari_virtual_ihc.methods.learner import Learner

Paired = type[Pix2Pix] | type[PyramidP2P]
paired = pytest.mark.parametrize("kind", [Pix2Pix, PyramidP2P])


class Still:
    """Computes gradients, changes no weight, and remembers who asked to step."""

    def __init__(self) -> None:
        self.asked: list[Optimizer] = []

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        self.asked.append(optimiser)


def batch(seed: int = 0, count: int = 2, size: int = 64) -> Batch:
    source = torch.Generator().manual_seed(seed)
    he, ihc = torch.rand(2, count, 3, size, size, generator=source) * 2 - 1
    return Batch(he, ihc, ("a",) * count, 0, 1, source)


def made(kind: type[Learner], *settings: str) -> Learner:
    small = ["ngf=2", "ndf=2", *settings]
    return kind.build(kind.presets["smoke"].with_settings(small), seed=1)


def trained(method: Learner, batch: Batch) -> tuple[dict[str, float], list[Optimizer]]:
    engine = Still()
    losses = method.training_step(batch, engine)
    return {name: value.item() for name, value in losses.items()}, engine.asked


@paired
def test_a_conditional_step_is_the_papers(kind: Paired) -> None:
    method = made(kind, "dropout=0")
    losses, asked = trained(method, batch())
    seen = batch()
    judge, fake = method.networks["D"].train(), method.networks["G"](seen.he).detach()
    logits = {name: judge(torch.cat([seen.he, y], 1)) for name, y in (("f", fake), ("r", seen.ihc))}
    one, zero = torch.ones_like(logits["f"]), torch.zeros_like(logits["f"])
    entropy = F.binary_cross_entropy_with_logits
    expected = 0.5 * (entropy(logits["f"], zero) + entropy(logits["r"], one)).item()
    assert losses["D"] == pytest.approx(expected, rel=1e-5)
    assert losses["GAN"] == pytest.approx(entropy(logits["f"], one).item(), rel=1e-5)
    assert asked == [method.optimisers["D"], method.optimisers["G"]]
    weight = {"pix2pix": 100, "pyramidp2p": 25}[kind.name]
    assert losses["L1"] == pytest.approx(weight * (fake - seen.ihc).abs().mean().item(), rel=1e-5)
    terms = [value for name, value in losses.items() if name not in ("D", "G")]
    assert losses["G"] == pytest.approx(sum(terms), rel=1e-5)


def test_cyclegan_steps_generators_first_with_its_weights() -> None:
    method = made(CycleGan, "lambda_a=4", "lambda_b=6", "lambda_idt=0.25")
    losses, asked = trained(method, batch())
    seen, nets = batch(), method.networks

    def l1(a: Tensor, b: Tensor) -> float:
        return (a - b).abs().mean().item()

    fake_b, fake_a = nets["G_A"](seen.he), nets["G_B"](seen.ihc)
    expected = {
        "GAN_A": (nets["D_A"](fake_b) - 1).square().mean().item(),
        "GAN_B": (nets["D_B"](fake_a) - 1).square().mean().item(),
        "cycle_A": 4 * l1(nets["G_B"](fake_b), seen.he),
        "cycle_B": 6 * l1(nets["G_A"](fake_a), seen.ihc),
        "idt_A": 0.25 * 6 * l1(nets["G_A"](seen.ihc), seen.ihc),
        "idt_B": 0.25 * 4 * l1(nets["G_B"](seen.he), seen.he),
    }
    for name, (judge, fake, real) in {
        "D_A": ("D_A", fake_b, seen.ihc),
        "D_B": ("D_B", fake_a, seen.he),
    }.items():
        both = nets[judge](fake).square().mean() + (nets[judge](real) - 1).square().mean()
        expected[name] = 0.5 * both.item()
    expected["G"] = sum(value for name, value in expected.items() if name[0] != "D")
    assert losses == pytest.approx(expected, rel=1e-4)
    assert asked == [method.optimisers["G"], method.optimisers["D"]]
    torch.testing.assert_close(method.memory["fake_b"], fake_b.detach(), rtol=1e-5, atol=1e-6)


def loss_of_conditional(method: ConditionalGan, seen: Batch) -> Tensor:
    return sum(method.generator_losses(method.translate(seen), seen).values())


def loss_of_cycle(method: CycleGan, seen: Batch) -> Tensor:
    return sum(method.generator_losses(method.translate(seen), seen).values())


@pytest.mark.parametrize(
    ("kind", "letter", "loss"),
    [
        (Pix2Pix, "G", loss_of_conditional),
        (PyramidP2P, "G", loss_of_conditional),
        (CycleGan, "G_A", loss_of_cycle),
        (CycleGan, "G_B", loss_of_cycle),
    ],
)
def test_generator_gradients_are_the_slopes_of_the_loss(
    kind: type[Learner], letter: str, loss: Callable[[Learner, Batch], Tensor]
) -> None:
    """Instance norms compute in float32, so that the slope of CycleGAN's loss has some noise."""
    method = made(kind, "init_gain=0.2")
    for network in method.networks.values():
        network.double()
    seen = batch(count=1)
    pair = {"he": seen.he.double(), "ihc": seen.ihc.double()}

    def total() -> Tensor:
        return loss(method, replace(seen, generator=torch.Generator().manual_seed(5), **pair))

    weight = next(p for p in method.networks[letter].parameters() if p.ndim == 4)
    (gradient,) = torch.autograd.grad(total(), weight)
    place = int(gradient.abs().argmax())
    slope = 0.0
    with torch.no_grad():
        for sign in (1, -1):
            weight.view(-1)[place] += sign * 1e-5
            slope += sign * total().item() / 2e-5
            weight.view(-1)[place] -= sign * 1e-5
    assert gradient.flatten()[place].item() == pytest.approx(slope, rel=0.02)


@paired
def test_dropout_is_the_batchs_and_not_the_global_states(kind: Paired) -> None:
    method = made(kind)
    images = []
    for seed, state in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(state)
        drawn = replace(batch(), generator=torch.Generator().manual_seed(seed))
        images.append(method.translate(drawn))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


@paired
def test_rows_without_an_adversary_have_no_discriminator(kind: Paired) -> None:
    method = made(kind, "lambda_gan=0")
    losses, _ = trained(method, batch())
    assert set(method.networks) == {"G"}
    assert not {"D", "GAN"} & set(losses)
    alone = made(CycleGan, "lambda_gan=0")
    losses, _ = trained(alone, batch())
    assert set(losses) == {"cycle_A", "cycle_B", "idt_A", "idt_B", "G"}


def test_rows_of_the_tables_have_the_terms_they_name() -> None:
    rows = {
        (PyramidP2P, "L1"): {"L1"},
        (PyramidP2P, "L1_L2"): {"L1", "L2"},
        (PyramidP2P, "L1_L2_L3"): {"L1", "L2", "L3"},
        (Pix2Pix, "cGAN"): set(),
        (CycleGan, "GAN alone"): {"GAN_B"},
        (CycleGan, "GAN + forward cycle"): {"GAN_B", "cycle_A", "idt_B"},
        (CycleGan, "GAN + backward cycle"): {"GAN_B", "cycle_B", "idt_A"},
        (CycleGan, "w/o identity"): {"GAN_B", "cycle_A", "cycle_B"},
    }
    for (kind, row), terms in rows.items():
        losses, _ = trained(made(kind, *kind.ablations[row]), batch())
        assert set(losses) - {"D", "D_A", "D_B", "GAN", "GAN_A", "G"} == terms, row


@pytest.mark.parametrize(("row", "channels"), [("GAN", 3), ("cGAN", 6), ("1×1", 6)])
def test_a_discriminator_sees_the_he_where_it_is_conditional(row: str, channels: int) -> None:
    method = made(Pix2Pix, *Pix2Pix.ablations[row])
    first = next(method.networks["D"].parameters())
    assert first.shape[1] == channels
    assert first.shape[-1] == (1 if row == "1×1" else 4)
    assert trained(method, batch())[0]["GAN"] > 0


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (Pix2Pix, {"crop_size": 100}, "'n_downs'.*crop_size of 256"),
        (Pix2Pix, {"lambda_gan": 0, "lambda_l1": 0}, "'lambda_l1'.*both be 0"),
        (PyramidP2P, {"octave_weights": []}, "octave_weights"),
        (PyramidP2P, {"octave_weights": [25, 0]}, "octave_weights"),
        (CycleGan, {"pool_size": -1}, "pool_size"),
    ],
)
def test_recipes_that_cannot_train_are_refused_by_field(
    kind: type[Learner], content: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read_recipe(kind.recipe_type, content)


def test_an_octave_pyramid_needs_room() -> None:
    assert [level.shape[-1] for level in octave_pyramid(torch.rand(1, 3, 18, 18), 4)] == [
        18, 9, 5, 3,
    ]  # fmt: skip
    with pytest.raises(DataError, match="16 px"):
        octave_pyramid(torch.rand(1, 3, 15, 32), 4)


def numbered(start: int, count: int) -> Tensor:
    return torch.arange(start, start + count).float().view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_a_pool_fills_first_and_then_shows_old_images_half_of_the_time() -> None:
    memory: dict[str, Tensor] = {}
    source = torch.Generator().manual_seed(0)
    first = exchange(memory, "fake", numbered(0, 8), 10, source)
    assert torch.equal(first, numbered(0, 8))
    seen = [int(image[0, 0, 0]) for image in exchange(memory, "fake", numbered(8, 400), 10, source)]
    assert seen[:2] == [8, 9]
    old = [made for step, made in enumerate(seen[2:], start=10) if made != step]
    assert 160 < len(old) < 240
    assert len(old) == len(set(old))
    kept = {int(image[0, 0, 0]) for image in memory["fake"]}
    assert len(kept) == 10
    assert not kept & set(old)
    assert torch.equal(exchange({}, "fake", numbered(0, 3), 0, source), numbered(0, 3))


def test_a_pool_keeps_copies_without_gradient() -> None:
    memory: dict[str, Tensor] = {}
    images = numbered(0, 2).clone().requires_grad_(True)
    shown = exchange(memory, "fake", images, 2, torch.Generator())
    with torch.no_grad():
        images.zero_()
    assert not shown.requires_grad
    assert int(memory["fake"][1, 0, 0, 0]) == 1


def test_fastcut_is_cut_with_the_papers_settings() -> None:
    row = Cut.presets["smoke"].with_settings(Cut.ablations["FastCUT"])
    fast = FastCut.presets["smoke"]
    assert fast.model_dump() == row.model_dump()
    ours, theirs = (
        trained(method, batch())[0] for method in (FastCut.build(fast, 0), Cut.build(row, 0))
    )
    assert ours == theirs
    paper = FastCut.presets["paper"]
    assert (paper.n_epochs, paper.n_epochs_decay, paper.load_size) == (150, 50, 286)
