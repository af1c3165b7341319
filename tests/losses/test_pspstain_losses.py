"""PSPStain's losses: worked values, gradients, and what each of them tells apart."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.focal_density import FocalDensity, FodInput
from napari_virtual_ihc.losses.multiscale_ssim import WEIGHTS, multiscale_ssim, smallest_side
from napari_virtual_ihc.losses.protein_awareness import density_histogram, protein_awareness
from napari_virtual_ihc.losses.prototype_consistency import (
    class_prototypes,
    prototype_consistency,
)

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
BROWN, DARK, BLUE = (0.55, 0.35, 0.20), (0.30, 0.18, 0.10), (0.45, 0.45, 0.65)


def flat(*colours: tuple[float, float, float], side: int = 16) -> torch.Tensor:
    """One picture per colour in [0, 1], as values in [-1, 1]."""
    values = torch.tensor(colours, dtype=torch.float64) * 2 - 1
    return values.view(-1, 3, 1, 1).expand(-1, 3, side, side).clone()


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    c, h, w = torch.meshgrid(
        torch.arange(3.0), torch.arange(64.0), torch.arange(64.0), indexing="ij"
    )
    x = torch.sin(0.1 * h + 0.2 * w + c)
    return x[None], torch.cos(0.15 * h - 0.1 * w + 0.5 * c)[None]


def noise(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("fod_input", "expected"),
    [
        ("unit", [0, 0.214326, 0.343600, 0.000880, 2.261799]),
        ("signed", [0, 2.626559, 2.261799, 0, 2.261799]),
    ],
)
def test_focal_density_gives_the_worked_values(fod_input: FodInput, expected: list[float]) -> None:
    measure = FocalDensity(fod_input=fod_input)
    density = measure.density(flat(WHITE, BROWN, DARK, BLUE, BLACK, side=1)).flatten()
    assert density.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("alpha", [1.0, 1.8, 3.0])
def test_the_brownest_density_comes_near_e(alpha: float) -> None:
    yellow = torch.tensor([1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    assert 2.5 < FocalDensity(alpha=alpha).density(yellow).item() < math.e


def test_the_gradient_of_the_density_is_finite_everywhere() -> None:
    images = torch.cat([flat(WHITE, BROWN, BLUE, BLACK), noise(1, 3, 16, 16).double() * 2 - 1])
    for fod_input in ("signed", "unit"):
        images.requires_grad_(True)
        density = FocalDensity(fod_input=fod_input).density(images)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(density.sum(), images)
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_densities_keep_full_precision_under_autocast() -> None:
    exact = FocalDensity().density(waves()[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(FocalDensity().density(waves()[0]), exact)


def test_protein_awareness_gives_the_worked_values() -> None:
    x, y = waves()
    measure = FocalDensity()
    found = protein_awareness(x, y)
    assert found.total().item() == pytest.approx(1.307052, abs=2e-6)
    assert found.average.tolist() == [0]
    for image, share, mean in ((x, 0.507813, 1.270326), (y, 0.511719, 1.223915)):
        density = measure.density(image)
        assert measure.mask(density).float().mean().item() == pytest.approx(share, abs=1e-6)
        assert measure.thresholded(density).mean().item() == pytest.approx(mean, abs=2e-6)


def half(share: float) -> torch.Tensor:
    """A picture whose left columns are brown, the rest white."""
    image = flat(WHITE, side=40)
    image[:, :, :, : round(40 * share)] = flat(BROWN, side=1)
    return image


@pytest.mark.parametrize(
    ("share", "open_"), [(0.5, False), (0.7, False), (0.725, True), (0.3, False), (0.275, True)]
)
def test_the_average_counts_beyond_40_percent_only(share: float, open_: bool) -> None:
    found = protein_awareness(half(share), half(0.5)).average
    expected = (2.626559 * (share - 0.5)) ** 2 if open_ else 0.0
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_histogram_holds_amounts_and_its_gradient_is_that_of_the_sums() -> None:
    density = torch.tensor([[[0.0, 0.1], [0.2, math.e]]], requires_grad=True)
    bins = density_histogram(density)
    expected = torch.zeros(20)
    expected[0], expected[1], expected[19] = 0.1 / 4, 0.2 / 4, math.e / 4
    torch.testing.assert_close(bins[0], expected)
    bins[0, 1].backward()
    assert density.grad is not None
    assert density.grad.flatten().tolist() == [0, 0, 0.25, 0]


def test_blocks_tell_where_the_protein_is() -> None:
    left, right = half(0.5), half(0.5).flip(3)
    apart, alike = (protein_awareness(left, other) for other in (right, left))
    assert apart.histogram.item() == 0
    assert apart.block.item() == pytest.approx(2.626559**2, rel=1e-5)
    assert alike.block.item() == 0
    assert protein_awareness(left, right, blocks=1).block.item() == pytest.approx(0, abs=1e-12)


def test_rows_that_fill_no_block_are_left_out() -> None:
    image = flat(WHITE, side=18)
    image[:, :, :, 16:] = flat(BROWN, side=1)
    assert protein_awareness(image, flat(WHITE, side=18)).block.item() == 0


def test_a_batch_sums_averages_and_means_the_rest() -> None:
    fake, real = torch.cat([half(0.9), half(0.5)]), torch.cat([half(0.5), half(0.5)])
    found = protein_awareness(fake, real)
    alone = protein_awareness(fake[:1], real[:1])
    assert found.total().item() == pytest.approx(
        (alone.average.sum() + alone.histogram.sum() / 2 + alone.block / 2).item()
    )
    shared = alone.total(whole=2) + protein_awareness(fake[1:], real[1:]).total(whole=2)
    assert (shared / 2).item() == pytest.approx(found.total().item())


def test_protein_awareness_teaches_the_virtual_stain_alone() -> None:
    fake, real = noise(2, 3, 32, 32) * 2 - 1, noise(2, 3, 32, 32, seed=1) - 1
    fake.requires_grad_(True)
    real.requires_grad_(True)
    protein_awareness(fake, real).total().backward()
    assert real.grad is None
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
    assert fake.grad.abs().max() > 0


def test_prototypes_are_means_of_their_class() -> None:
    features = noise(2, 5, 4, 6)
    masks = noise(2, 4, 6, seed=2) > 0.5
    shares = torch.stack([~masks, masks], dim=1).float()
    found = class_prototypes(features, shares)
    for n in range(2):
        expected = features[n][:, masks[n]].mean(dim=1)
        torch.testing.assert_close(found[n, 1], expected, rtol=1e-5, atol=1e-5)


def test_prototype_consistency_is_the_formula_pixel_by_pixel() -> None:
    features, logits = noise(2, 5, 3, 4).double(), noise(2, 2, 3, 4, seed=1).double() * 4
    masks = noise(2, 3, 4, seed=2) > 0.4
    shares = logits.softmax(dim=1)
    total = 0.0
    for n in range(2):
        weights = shares[1 - n].flatten(1)
        prototypes = weights @ features[1 - n].flatten(1).T / (weights.sum(1, keepdim=True) + 1e-5)
        for y in range(3):
            for x in range(4):
                cosines = F.cosine_similarity(features[n, :, y, x][None], prototypes)
                chances = torch.exp(cosines) / torch.exp(cosines).sum()
                total -= chances.log_softmax(dim=0)[int(masks[n, y, x])].item()
    found = prototype_consistency(features, logits, masks)
    assert found.item() == pytest.approx(total / 24, rel=1e-9)


def test_prototype_consistency_has_its_least_value_where_classes_are_opposite() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[:, :4] = True
    features = torch.where(masks, 1.0, -1.0)[:, None].expand(2, 3, 8, 8)
    logits = torch.stack([~masks, masks], dim=1).float() * 100
    right, wrong = (prototype_consistency(features, logits, m) for m in (masks, ~masks))
    chance = math.e / (math.e + 1 / math.e)
    assert right.item() == pytest.approx(math.log(1 + math.exp(1 - 2 * chance)), rel=1e-4)
    assert wrong.item() == pytest.approx(math.log(1 + math.exp(2 * chance - 1)), rel=1e-4)


def test_the_gradient_of_prototype_consistency_reaches_both_factors() -> None:
    features, logits = noise(2, 4, 3, 3).double(), noise(2, 2, 3, 3, seed=1).double()
    masks = noise(2, 3, 3, seed=2) > 0.5
    features.requires_grad_(True)
    logits.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda f, p: prototype_consistency(f, p, masks), (features, logits)
    )


def test_ms_ssim_is_torchmetrics() -> None:
    metrics = pytest.importorskip("torchmetrics.functional.image")
    ours = noise(2, 3, 192, 208)
    theirs = (0.6 * ours + 0.4 * noise(2, 3, 192, 208, seed=1)).roll(1, dims=3)
    planes = [image.reshape(6, 1, 192, 208) for image in (ours, theirs)]
    expected = metrics.multiscale_structural_similarity_index_measure(
        *planes, data_range=1.0, normalize="relu", betas=WEIGHTS
    )
    assert multiscale_ssim(ours, theirs).item() == pytest.approx(expected.item(), abs=2e-5)


def test_ms_ssim_is_1_for_equal_pictures_and_0_without_a_gradient_for_opposite_ones() -> None:
    image = noise(1, 3, 64, 64).requires_grad_(True)
    weights = (0.3, 0.3, 0.4)
    assert multiscale_ssim(image, image.detach(), weights).item() == pytest.approx(1, abs=1e-5)
    opposite = multiscale_ssim(image, 1 - image.detach(), weights)
    assert opposite.item() == 0
    opposite.backward()
    assert image.grad is not None
    assert image.grad.abs().max() == 0


def test_ms_ssim_needs_room_for_its_window() -> None:
    assert smallest_side(5) == 176
    with pytest.raises(DataError, match=r"5 scales needs 176 px sides, not \(64, 64\)"):
        multiscale_ssim(noise(1, 3, 64, 64), noise(1, 3, 64, 64))
