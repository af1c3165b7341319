from __future__ import annotations

import math

import pytest
import torch

from napari_virtual_ihc.losses.adaptive_nce import AspSchedule, adaptive_patch_nce
from napari_virtual_ihc.losses.patch_nce import Negatives, patch_nce
from napari_virtual_ihc.networks.projection import unit_vectors


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(24, dtype=torch.float64).view(6, 4)
    query = unit_vectors(torch.sin(1 + index), legacy=True)
    return query, unit_vectors(torch.cos(0.5 * index + 0.3), legacy=True)


def test_mixed_negatives_give_the_worked_values(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    rows = [0.406138, 17.469413, 24.617440, 0.757254, 13.656965, 25.551050]
    losses = patch_nce(*pair, negatives="mixed")
    torch.testing.assert_close(losses, torch.tensor(rows, dtype=losses.dtype), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(1, 13.743043), (31, 13.743043), (32, 13.320840), (36, 10.722531), (40, 4.190646)],
)
def test_mixed_adaptive_loss_gives_the_worked_values(
    pair: tuple[torch.Tensor, torch.Tensor], epoch: int, expected: float
) -> None:
    schedule = AspSchedule("lambda", "linear", 30, 10)
    loss = adaptive_patch_nce(*pair, schedule, epoch, negatives="mixed").mean()
    assert float(loss) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("negatives", ["inter", "intra", "mixed"])
def test_each_picture_of_a_batch_has_its_own_negatives(
    pair: tuple[torch.Tensor, torch.Tensor], negatives: Negatives
) -> None:
    query, key = pair
    together = patch_nce(query, key, images=2, negatives=negatives)
    alone = [
        patch_nce(query[rows], key[rows], negatives=negatives)
        for rows in (slice(0, 3), slice(3, 6))
    ]
    torch.testing.assert_close(together, torch.cat(alone))
    joined = patch_nce(query, key, images=2, all_negatives=True, negatives=negatives)
    assert (joined - together).min() > 0


def test_intra_negatives_are_the_other_queries(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    query, key = pair
    losses = patch_nce(query, key, temperature=0.5, negatives="intra")
    for i in range(6):
        own = query[i] @ key[i] / 0.5
        others = torch.stack([query[i] @ query[j] / 0.5 for j in range(6) if j != i])
        expected = torch.logsumexp(torch.cat([own[None], others]), 0) - own
        assert losses[i].item() == pytest.approx(expected.item(), rel=1e-9)


def test_intra_gradient_flows_into_both_factors(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    query, key = pair
    query.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda q: patch_nce(q, key, temperature=0.5, negatives="mixed"), query
    )


def test_equal_patches_leave_a_floor_of_the_logarithm_of_their_number() -> None:
    same = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    losses = patch_nce(same, same, negatives="intra")
    assert losses.tolist() == pytest.approx([math.log(8)] * 8)


def test_similarities_keep_full_precision_under_autocast(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    query, key = (vectors.float() for vectors in pair)
    exact = patch_nce(query, key, negatives="mixed")
    with torch.autocast("cpu", torch.bfloat16):
        mixed = patch_nce(query, key, negatives="mixed")
    assert torch.equal(mixed, exact)
