from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.optimal_transport import (
    matching_consistency,
    sinkhorn,
    transport_plan,
)
from napari_virtual_ihc.losses.similarity import batch_consistency, batch_similarity
from napari_virtual_ihc.networks.projection import unit_vectors


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(24, dtype=torch.float64).view(1, 6, 4)
    query = unit_vectors(torch.sin(1 + index)[0], legacy=True)[None]
    return query, unit_vectors(torch.cos(0.5 * index + 0.3)[0], legacy=True)[None]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return unit_vectors(torch.randn(shape, generator=source, dtype=torch.float64).flatten(0, -2))


def test_transport_gives_the_worked_values(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    plan = transport_plan(*pair, skip_own=True)[0]
    row = [0.000002, 0.301876, 0.183539, 0.050880, 0.357716, 0.105987]
    assert plan[0].tolist() == pytest.approx(row, abs=1e-6)
    for axis in (0, 1):
        torch.testing.assert_close(plan.sum(axis), torch.ones(6, dtype=plan.dtype))


def test_sets_of_different_sizes_share_the_mass() -> None:
    kernel = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    plan = sinkhorn(kernel, 100)
    torch.testing.assert_close(plan.sum(1), torch.ones(2, 5))
    torch.testing.assert_close(plan.sum(2), torch.full((2, 3), 5 / 3))


def test_hard_transport_finds_a_permutation_and_easy_avoids_it() -> None:
    vectors = drawn(6, 16)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    hard = transport_plan(vectors[None], vectors[order][None], cost="hard", epsilon=0.05)[0]
    assert hard.argmax(dim=1).tolist() == order.tolist()
    assert hard.amax(dim=1).min() > 0.9
    easy = transport_plan(vectors[None], vectors[order][None], cost="easy", epsilon=0.5)[0]
    assert (easy.gather(1, order[:, None]) < 1 / 6).all()


def test_transport_is_differentiable_and_matching_follows_the_made_alone() -> None:
    x, y, made = (drawn(6, 4, seed=seed) for seed in range(3))
    for tensor in (x, y, made):
        tensor.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda m: transport_plan(y[None], m[None], iterations=20, skip_own=True), made
    )
    matching_consistency(x, y, made, images=2).backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0
    assert x.grad is None
    assert y.grad is None


def test_matching_stays_within_a_picture_and_vanishes_for_equal_plans() -> None:
    x, y, made = (drawn(8, 4, seed=seed) for seed in range(3))
    halves = [slice(0, 4), slice(4, 8)]
    alone = [matching_consistency(x[h], y[h], made[h]) for h in halves]
    together = matching_consistency(x, y, made, images=2)
    torch.testing.assert_close(together, torch.stack(alone).mean())
    assert float(matching_consistency(x, x, x)) == 0


def test_batch_similarity_is_the_cosine_of_whole_maps() -> None:
    source = torch.Generator().manual_seed(0)
    maps = [torch.randn(3, 2, 4, 4, generator=source), torch.randn(3, 5, 2, 2, generator=source)]
    found = batch_similarity(maps)
    assert found.shape == (2, 3, 3)
    for tap, feature in enumerate(maps):
        for i in range(3):
            for j in range(3):
                expected = torch.cosine_similarity(
                    feature[i].flatten(), feature[j].flatten(), dim=0
                )
                assert found[tap, i, j].item() == pytest.approx(expected.item(), abs=1e-5)


def test_batch_consistency_teaches_the_fake_alone_and_needs_two_pictures() -> None:
    source = torch.Generator().manual_seed(0)
    fake, real = torch.randn(2, 2, 3, 4, 4, generator=source).requires_grad_(True).unbind()
    slopes = torch.autograd.grad(batch_consistency([fake], [real]), (fake, real), allow_unused=True)
    assert slopes[0].abs().sum() > 0
    assert slopes[1] is None
    assert batch_consistency([fake], [fake]).item() == 0
    with pytest.raises(DataError, match="at least two"):
        batch_consistency([fake[:1]], [real[:1]])
