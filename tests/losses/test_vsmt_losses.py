"""Matching, contrast and views of VSMT where no reference vector tells what is right."""

from __future__ import annotations

import math

import pytest
import torch

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.distillation import (
    guidance_ramp,
    guidance_weight,
    soft_target_loss,
)
from napari_virtual_ihc.losses.matching import (
    alignment,
    cluster,
    cosines,
    move_blocks,
    pair_classes,
    sparsemax,
)
from napari_virtual_ihc.losses.statistics import variance_constraint
from napari_virtual_ihc.losses.structure_contrast import structure_contrast
from napari_virtual_ihc.losses.structure_views import (
    elastic,
    low_passed,
    patches_turned,
    pixels_shuffled,
    with_brightness,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def three_bundles(generator: torch.Generator, each: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells in three well separated directions, shuffled, and the bundle each is of."""
    order = torch.randperm(3 * each, generator=generator)
    bundle = torch.arange(3).repeat_interleave(each)[order]
    cells = torch.eye(4)[bundle] + 0.05 * torch.randn(3 * each, 4, generator=generator)
    return cells * (1 + torch.rand(3 * each, 1, generator=generator)), bundle


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    scores = torch.randn(5, 6, generator=seeded(), dtype=torch.float64)
    ours = sparsemax(scores)
    torch.testing.assert_close(ours.sum(dim=1), torch.ones(5, dtype=torch.float64))
    assert bool((ours >= 0).all())
    assert bool((ours == 0).any())
    others = torch.distributions.Dirichlet(torch.ones(6, dtype=torch.float64)).sample((500,))
    nearest = (ours - scores).square().sum(dim=1)
    assert bool(((others[:, None] - scores).square().sum(dim=2) >= nearest).all())
    assert torch.autograd.gradcheck(sparsemax, scores.requires_grad_(True))


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_found(seed: int) -> None:
    cells, bundle = three_bundles(seeded(seed))
    first = [int((bundle == b).nonzero()[0]) for b in range(3)]
    draws = torch.randperm(30, generator=seeded(seed))[:3].tolist()
    labels = cluster(cells, 3, seeded(seed))
    if len({int(bundle[i]) for i in draws}) == 3:
        assert [int(labels[i]) for i in first] == [
            next(k for k, i in enumerate(draws) if bundle[i] == b) for b in range(3)
        ]
        assert all(labels[i] == labels[first[int(bundle[i])]] for i in range(30))
    assert torch.equal(labels, cluster(3 * cells, 3, seeded(seed)))


def test_equal_cells_leave_classes_empty_and_too_few_are_refused() -> None:
    assert cluster(torch.ones(9, 4), 3, seeded()).unique().tolist() == [0]
    with pytest.raises(DataError, match="2 cells cannot be clustered into 3"):
        cluster(torch.ones(2, 4), 3, seeded())


def test_classes_are_paired_by_what_they_show() -> None:
    cells, bundle = three_bundles(seeded())
    partner = torch.tensor([2, 0, 1])
    assert torch.equal(pair_classes(cells, cells, bundle, partner[bundle], 3), partner)


def test_a_cell_that_is_not_a_number_leaves_the_nearest_centres_to_be_paired() -> None:
    cells, bundle = three_bundles(seeded())
    partner = torch.tensor([1, 2, 0])
    spoiled = cells.clone()
    for b in range(3):
        spoiled[(bundle == b).nonzero()[0]] = math.nan
    assert torch.equal(pair_classes(cells, spoiled, bundle, partner[bundle], 3), partner)


def test_cells_look_only_at_their_class_unless_that_is_empty() -> None:
    similar = torch.rand(4, 5, generator=seeded()) - 0.5
    fake, real = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 1, 0, 0, 1])
    mixture = alignment(similar, fake, real, torch.tensor([1, 2, 0]))
    torch.testing.assert_close(mixture.sum(dim=1), torch.ones(4))
    assert bool((mixture[:2, 2:4] == 0).all())
    assert bool((mixture[3, [0, 1, 4]] == 0).all())
    torch.testing.assert_close(mixture[2], sparsemax(similar[2] + 1))


def test_blocks_are_moved_whole() -> None:
    features = torch.rand(2, 3, 8, 8, generator=seeded())
    order = torch.randperm(4, generator=seeded())
    mixture = torch.eye(4)[order].expand(2, 4, 4)
    moved = move_blocks(features, mixture)
    for i, j in enumerate(order.tolist()):
        (y, x), (v, u) = divmod(i, 2), divmod(j, 2)
        block = moved[..., 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        assert torch.equal(block, features[..., 4 * v : 4 * v + 4, 4 * u : 4 * u + 4])
    with pytest.raises(DataError, match="no grid of 9"):
        move_blocks(features, torch.eye(9)[None].expand(2, 9, 9))


def test_the_gradient_of_the_similarity_does_not_depend_on_the_batch() -> None:
    pair = torch.rand(2, 2, 6, 4, 4, generator=seeded())
    slopes = []
    for part in (pair, pair[:, :1]):
        a, b = (torch.nn.functional.instance_norm(x.requires_grad_(True)) for x in part.clone())
        loss = cosines(a.flatten(2), b.flatten(2))[0].square().sum()
        slopes.append(torch.autograd.grad(loss, a)[0][0])
    torch.testing.assert_close(slopes[0], slopes[1])


def test_structure_contrast_has_the_worked_value() -> None:
    index = torch.arange(24, dtype=torch.float64).reshape(6, 4)
    fields = (torch.sin(1 + index), torch.cos(0.5 * index + 0.3), torch.sin(0.3 * index + 0.1))
    cells = [field.T.reshape(1, 4, 2, 3) for field in fields]
    assert structure_contrast(*cells).item() == pytest.approx(1.025167, abs=1e-6)


@pytest.mark.parametrize(
    ("step", "weight"),
    [
        (0, 0),
        (10_000, 0.014648),
        (15_000, 0.844703),
        (19_000, 8.981054),
        (20_000, 15),
        (90_000, 15),
    ],
)
def test_guidance_rises_as_published(step: int, weight: float) -> None:
    assert guidance_ramp(5, 4000, 1) == 20_000
    assert guidance_weight(step, 20_000) == pytest.approx(weight, abs=1e-6)
    assert guidance_weight(0, 0) == 15


def test_the_variance_constraint_is_held_at_one_and_keeps_its_direction() -> None:
    real = torch.rand(2, 3, 16, 16, generator=seeded())
    near, far = real * 1.0001, (real * 3).requires_grad_(True)
    assert variance_constraint(real, real).item() == 0
    assert 0 < variance_constraint(near, real).item() < 1
    held = variance_constraint(far, real)
    assert held.item() == pytest.approx(1)
    raw = (far.var(dim=(2, 3), correction=0) - real.var(dim=(2, 3), correction=0)).square().mean()
    slopes = [torch.autograd.grad(loss, far)[0].flatten() for loss in (held, raw)]
    assert torch.cosine_similarity(*slopes, dim=0).item() == pytest.approx(1)


def test_soft_answers_teach_the_student_alone() -> None:
    student = torch.randn(3, 4, generator=seeded(), requires_grad=True)
    teacher = torch.randn(3, 4, generator=seeded(1), requires_grad=True)
    p, q = ((logits / 4).softmax(dim=1) for logits in (teacher, student))
    expected = 16 * (p * (p / q).log()).sum(dim=1).mean()
    loss = soft_target_loss(student, teacher, 4)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.autograd.grad(loss, teacher, allow_unused=True) == (None,)
    assert soft_target_loss(student, student).item() == pytest.approx(0, abs=1e-6)


def test_brightness_is_that_of_each_picture() -> None:
    images = torch.rand(3, 3, 8, 8, generator=seeded()) * 0.5 - 0.5
    same = with_brightness(images, 0.1)
    torch.testing.assert_close(same.mean(dim=(1, 2, 3)), torch.full((3,), 0.1), atol=1e-4, rtol=0)
    torch.testing.assert_close(same[:1], with_brightness(images[:1], 0.1))


def test_elastic_views_bend_as_much_as_asked_and_no_more() -> None:
    y = torch.linspace(-1, 1, 64)
    ramp = y.view(1, 1, 1, 64).expand(1, 3, 64, 64).contiguous()
    torch.testing.assert_close(elastic(ramp, 0.0, seeded()), ramp)
    weak, strong = (elastic(ramp, alpha, seeded()) - ramp for alpha in (1.0, 4.0))
    assert 0.01 < weak.abs().mean() < strong.abs().mean()
    free = (strong.abs() < 0.5) & (ramp.abs() < 0.4)
    torch.testing.assert_close(strong[free], 4 * weak[free], atol=1e-4, rtol=1e-3)
    assert torch.equal(elastic(ramp, 1.0, seeded(3)), elastic(ramp, 1.0, seeded(3)))


def test_patches_stay_in_their_place() -> None:
    numbers = torch.arange(16.0).reshape(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    texture = torch.rand(1, 3, 32, 32, generator=seeded())
    images = numbers + texture / 2
    changed = patches_turned(images, 4, seeded())
    assert torch.equal(changed.floor(), images.floor())
    assert not torch.equal(changed, images)
    kept = sum(
        torch.equal(a.flatten().sort().values, b.flatten().sort().values)
        for a, b in zip(
            images.unfold(2, 8, 8).unfold(3, 8, 8).reshape(3, 16, 64).unbind(1),
            changed.unfold(2, 8, 8).unfold(3, 8, 8).reshape(3, 16, 64).unbind(1),
            strict=True,
        )
    )
    assert 2 < kept < 14
    with pytest.raises(DataError, match="3 × 3"):
        patches_turned(images, 3, seeded())


def test_shuffled_pixels_stay_in_their_patch() -> None:
    images = torch.rand(2, 3, 16, 24, generator=seeded())
    back = torch.empty(64, dtype=torch.long)
    order = torch.randperm(64, generator=seeded())
    back[order] = torch.arange(64)
    shuffled = pixels_shuffled(images, order)
    assert not torch.equal(shuffled, images)
    assert torch.equal(pixels_shuffled(shuffled, back), images)
    with pytest.raises(DataError, match="8 px patches"):
        pixels_shuffled(images[..., :20], order)


def test_low_pass_keeps_slow_waves_and_takes_fast_ones() -> None:
    at = torch.arange(64.0) / 64 * 2 * math.pi
    slow, fast = (1 + 0.5 * torch.cos(n * at).expand(1, 3, 64, 64) for n in (2, 9))
    torch.testing.assert_close(low_passed(slow, 4 / 64), slow)
    torch.testing.assert_close(low_passed(fast, 4 / 64), torch.ones_like(fast))
