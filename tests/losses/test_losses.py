from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.errors import DataError, UsageError
from napari_virtual_ihc.losses.adaptive_nce import (
    AspSchedule,
    adaptive_patch_nce,
    patch_weights,
    trust,
)
from napari_virtual_ihc.losses.gan import discriminator_loss
from napari_virtual_ihc.losses.gaussian_pyramid import gaussian_pyramid, level_l1, pyramid_l1
from napari_virtual_ihc.losses.patch_nce import patch_nce
from napari_virtual_ihc.networks.projection import unit_vectors


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(24, dtype=torch.float64).view(6, 4)
    query = unit_vectors(torch.sin(1 + index), legacy=True)
    return query, unit_vectors(torch.cos(0.5 * index + 0.3), legacy=True)


def test_patch_nce_gives_the_worked_values(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    rows = [0.176227, 17.288154, 23.751226, 0.462278, 13.183641, 21.374340]
    losses = patch_nce(*pair)
    torch.testing.assert_close(losses, torch.tensor(rows, dtype=losses.dtype), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("epoch", "mode", "p", "expected"),
    [
        (1, "lambda_linear", 1.0, 12.705978),
        (31, "lambda_linear", 1.0, 12.705978),
        (32, "lambda_linear", 0.9, 12.308742),
        (36, "lambda_linear", 0.5, 9.864092),
        (40, "lambda_linear", 0.1, 3.718487),
        (36, "lambda_top", 0.5, 9.685143),
        (36, "lambda_bell", 0.5, 12.263227),
        (36, "lambda_uniform", 0.5, 12.705978),
        (36, "sigmoid_uniform", 0.022977, 12.705978),
        (32, "linear_uniform", 0.225, 12.705978),
    ],
)
def test_adaptive_loss_gives_the_worked_values(
    pair: tuple[torch.Tensor, torch.Tensor], epoch: int, mode: str, p: float, expected: float
) -> None:
    scheduler, _, lookup = mode.partition("_")
    schedule = AspSchedule(scheduler, lookup, 30, 10)
    assert trust(schedule, epoch) == pytest.approx(p, abs=1e-6)
    assert float(adaptive_patch_nce(*pair, schedule, epoch).mean()) == pytest.approx(
        expected, abs=1e-5
    )


def test_weights_without_any_similarity_are_zero_not_nan() -> None:
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    schedule = AspSchedule("linear", "linear", 4, 0)
    weights = patch_weights(query, -query, schedule, epoch=5)
    assert weights.tolist() == [0.0, 0.0]


def test_lambda_schedule_needs_decay_epochs() -> None:
    with pytest.raises(UsageError, match="n_epochs_decay"):
        trust(AspSchedule("lambda", "linear", 5, 0), 1)


def test_patches_must_divide_into_images() -> None:
    with pytest.raises(DataError, match="images"):
        patch_nce(torch.rand(5, 2), torch.rand(5, 2), images=2)


def waves() -> tuple[torch.Tensor, torch.Tensor]:
    c, h, w = torch.meshgrid(torch.arange(3), torch.arange(64), torch.arange(64), indexing="ij")
    return torch.sin(0.1 * h + 0.2 * w + c)[None], torch.cos(0.15 * h - 0.1 * w + 0.5 * c)[None]


def test_gaussian_pyramid_gives_the_worked_values() -> None:
    fake, real = waves()
    expected = [0.799077, 0.737330, 0.541235, 0.212139, 0.059021, 0.072880]
    assert [float(v) for v in level_l1(fake, real)] == pytest.approx(expected, abs=1e-5)
    assert [level.shape[-1] for level in gaussian_pyramid(fake)] == [64, 32, 16, 8, 4, 2]
    assert float(10 * pyramid_l1(fake, real)) == pytest.approx(0.305846, abs=1e-5)


def test_gaussian_pyramid_says_how_small_is_too_small() -> None:
    gaussian_pyramid(torch.zeros(1, 1, 33, 33))
    with pytest.raises(DataError, match="33 px"):
        gaussian_pyramid(torch.zeros(1, 1, 32, 64))


def test_discriminator_loss_is_half_the_sum() -> None:
    logits = torch.zeros(2, 1, 3, 3)
    assert float(discriminator_loss(logits, logits + 1)) == 0
    assert float(discriminator_loss(logits + 1, logits)) == 1
