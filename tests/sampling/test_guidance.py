"""Entropy, maps of structure, MIU-Diff's energy and its refinement of patches."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.sampling.chain import Chain
from napari_virtual_ihc.sampling.entropy import (
    entropy,
    gaussian_entropy,
    histogram_entropy,
    soft_histogram,
)
from napari_virtual_ihc.sampling.information import InformationGuide
from napari_virtual_ihc.sampling.recipe import ABLATIONS, PRESETS, SamplerRecipe, read_sampler
from napari_virtual_ihc.sampling.refinement import Refinement, patch_contrast, patch_distance
from napari_virtual_ihc.sampling.structure import (
    gradient_map,
    rolled_views,
    structure_map,
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Likeness:
    """A statistics network of two lines: the product of the structure and the grey value."""

    def encode_structure(self, structure: Tensor) -> Tensor:
        return F.avg_pool2d(structure, 4)

    def encode_stain(self, stain: Tensor, steps: Tensor) -> Tensor:
        return F.avg_pool2d(stain.mean(dim=1, keepdim=True), 4)

    def score(self, structure: Tensor, stain: Tensor) -> Tensor:
        return structure * stain


def difference(joint: Tensor, marginal: Tensor) -> Tensor:
    return joint.mean(dim=1) - marginal.mean(dim=1)


def guide(structure: Tensor, **fields: object) -> InformationGuide:
    recipe = SamplerRecipe(**fields)
    views = rolled_views(structure, 4, torch.Generator().manual_seed(0))
    return InformationGuide(recipe, recipe.schedule, Likeness(), difference, structure, views)


def test_a_soft_histogram_counts_every_value_once() -> None:
    values = drawn(2, 500)
    shares = soft_histogram(values, bins=16)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))
    centres = torch.linspace(-1, 1, 16)
    torch.testing.assert_close(shares @ centres, values.clamp(-1, 1).mean(dim=1))


def test_entropies_of_known_pictures() -> None:
    grey = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    assert histogram_entropy(grey).item() == pytest.approx(math.log(64), abs=1e-3)
    assert histogram_entropy(torch.zeros(1, 3, 8, 8)).item() == pytest.approx(math.log(2), abs=1e-3)
    noise = drawn(1, 3, 200, 200) * torch.tensor([0.5, 1.0, 2.0]).view(1, 3, 1, 1)
    expected = 1.5 * math.log(2 * math.pi * math.e)
    assert gaussian_entropy(noise).item() == pytest.approx(expected, abs=0.02)
    assert entropy(noise, "none").tolist() == [0.0]


@pytest.mark.parametrize("kind", ["histogram", "gaussian"])
def test_climbing_the_entropy_spreads_the_colours(kind: str) -> None:
    start = 0.1 * drawn(1, 3, 16, 16)
    free = start.clone().requires_grad_(True)
    for _ in range(30):
        (slope,) = torch.autograd.grad(entropy(free, kind).sum(), free)
        free = (free + slope * 0.02 / slope.square().mean().sqrt()).detach().requires_grad_(True)
    assert entropy(free, kind) > entropy(start, kind) + 0.1
    assert free.std() > start.std()


def test_a_gradient_map_shows_edges_alone_and_is_anchored_to_one() -> None:
    picture = torch.full((1, 3, 32, 32), -0.5)
    picture[..., 16:] = 0.5
    found = gradient_map(picture)
    assert found.max() == 1
    assert found[..., :8].max() < 1e-6
    assert found[..., 15:17].min().item() == pytest.approx(1)
    assert gradient_map(torch.zeros(1, 3, 16, 16)).max() == 0
    edges = structure_map(picture, "edges")
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(
        structure_map(picture, "smoothed")[..., 0], torch.full((1, 1, 32), 0.25)
    )


def test_a_map_is_the_same_whichever_pictures_are_beside_it() -> None:
    pictures = drawn(3, 3, 32, 32).clamp(-1, 1)
    for proxy in ("gradient", "smoothed", "edges"):
        torch.testing.assert_close(
            structure_map(pictures, proxy)[1:2], structure_map(pictures[1:2], proxy)
        )


def test_rolled_views_fit_their_picture_no_more() -> None:
    maps = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(1))
    views = rolled_views(maps, 8, torch.Generator().manual_seed(2))
    assert views.shape == (2, 8, 1, 32, 48)
    torch.testing.assert_close(views.flatten(2).sort().values[:, 3], maps.flatten(1).sort().values)
    for view in views.unbind(dim=1):
        assert torch.corrcoef(torch.stack([view.flatten(), maps.flatten()]))[0, 1] < 0.2


@pytest.mark.parametrize("norm", ["terms", "unit", "raw"])
def test_late_guidance_raises_the_information_and_early_lowers_it(norm: str) -> None:
    structure = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    y = 0.1 * drawn(2, 3, 32, 32)
    acting = guide(structure, entropy="none", guidance_norm=norm, guidance_scale=1)
    noise = torch.zeros_like(y)
    for index, raised in ((290, False), (10, True)):
        before = acting.information(y, index)
        acting._last = None
        after = acting.information(y + 0.01 * acting(y, noise, index), index)
        assert ((after > before) == raised).all()


@pytest.mark.parametrize(("norm", "share"), [("unit", 1.0), ("terms", 1 - 2 * 76 / 300)])
def test_a_normalised_shift_is_the_asked_share_of_the_steps_deviation(
    norm: str, share: float
) -> None:
    structure = torch.rand(1, 1, 32, 32)
    acting = guide(structure, guidance_scale=0.02, guidance_norm=norm, entropy="none")
    schedule, y = SamplerRecipe().schedule, drawn(1, 3, 32, 32)
    shift = acting(y, torch.zeros_like(y), 75) * schedule.pull[75]
    expected = 0.02 * share * schedule.posterior[75].sqrt()
    assert shift.square().mean().sqrt().item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_raw_shift_is_kappa_sigma_squared_gradient() -> None:
    structure, y = torch.rand(1, 1, 16, 16), drawn(1, 3, 16, 16)
    acting = guide(structure, guidance_norm="raw", guidance_scale=500, guidance_sign=-1)
    schedule, free = SamplerRecipe().schedule, y.clone().requires_grad_(True)
    spread, shared = acting.terms(free, torch.zeros_like(y), 120)
    share = 121 / 300
    potential = share * (spread - shared) + (1 - share) * shared
    (slope,) = torch.autograd.grad(potential.sum(), free)
    shift = acting(y, torch.zeros_like(y), 120) * schedule.pull[120]
    torch.testing.assert_close(shift, (-500 * schedule.posterior[120] * slope).to(shift))


def test_no_step_shifts_a_value_by_more_than_the_clip() -> None:
    structure, y = torch.rand(1, 1, 16, 16), drawn(1, 3, 16, 16)
    words = {"guidance_norm": "raw", "guidance_scale": 1e7, "guidance_clip": 0.05}
    shift = (
        guide(structure, **words)(y, torch.zeros_like(y), 120) * SamplerRecipe().schedule.pull[120]
    )
    assert shift.abs().max().item() == pytest.approx(0.05, rel=1e-4)


def test_gradients_are_kept_between_every_third_step() -> None:
    structure, asked = torch.rand(1, 1, 16, 16), []
    acting = guide(structure, guide_every=3)
    slope = acting._slope
    acting._slope = lambda y, noise, index: asked.append(index) or slope(y, noise, index)
    for index in range(20, 10, -1):
        acting(drawn(1, 3, 16, 16, seed=index), torch.zeros(1, 3, 16, 16), index)
    assert asked == [20, 17, 14, 11]


def test_the_estimate_of_the_clean_picture_can_be_guided_instead() -> None:
    structure, y, noise = torch.rand(1, 1, 16, 16), drawn(1, 3, 16, 16), drawn(1, 3, 16, 16, seed=1)
    acting = guide(structure, guide_on="y0_hat", entropy="none")
    clean = SamplerRecipe().schedule.clean(y, noise, 150)
    spread, shared = acting.terms(y, noise, 150)
    torch.testing.assert_close(shared, acting.information(clean, 150))
    assert spread.tolist() == [0]


def test_guidance_that_is_no_number_is_told() -> None:
    acting = guide(torch.full((1, 1, 16, 16), math.nan))
    with pytest.raises(ModelError, match="guidance is not a number at step 7"):
        acting(drawn(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), 7)


def test_patch_contrast_is_the_cross_entropy_of_the_diagonal() -> None:
    a, b = (F.normalize(drawn(2, 5, 8, seed=seed), dim=2) for seed in (0, 1))
    expected = [
        -sum(float((row @ theirs.T / 0.07).log_softmax(0)[n]) for n, row in enumerate(ours)) / 5
        for ours, theirs in zip(a, b, strict=True)
    ]
    assert patch_contrast(a, b).tolist() == pytest.approx(expected, rel=1e-4)
    assert patch_distance(a, a).tolist() == [0, 0]
    assert patch_contrast(a, a).max() < patch_contrast(a, b).min()


@pytest.mark.parametrize("kind", ["pcl", "l2"])
def test_refining_draws_patches_to_the_sources(kind: str) -> None:
    recipe = SamplerRecipe(refinement=kind, refine_patches=16, refine_rms=0.01)
    schedule, weights = recipe.schedule, drawn(8, 3, 4, 4)
    source, noise = drawn(1, 3, 32, 32), drawn(1, 3, 32, 32, seed=1)
    other = drawn(1, 3, 32, 32, seed=2)

    def features(y: Tensor, index: int) -> list[Tensor]:
        return [F.conv2d(y, weights, stride=4), F.conv2d(F.avg_pool2d(y, 2), weights, stride=4)]

    acting = Refinement(recipe, schedule, features, source, noise, torch.Generator())
    y = schedule.noised(other, noise, 20)
    shift = acting.shift(y, noise, 20)
    assert shift.square().mean().sqrt().item() == pytest.approx(0.01, rel=1e-3)
    perturbed = schedule.noised(source, noise, 20)

    def loss(at: Tensor) -> Tensor:
        return acting._loss(acting._vectors(at, 20), acting._vectors(perturbed, 20))

    assert loss(y + shift) < loss(y)
    several = recipe.model_copy(update={"refine_steps": 3})
    acting = Refinement(several, schedule, features, source, noise, torch.Generator())
    assert loss(y + acting.shift(y, noise, 20)) < loss(y + shift)
    still = acting.shift(schedule.noised(source, noise, 20), noise, 20)
    assert still.isfinite().all()


def test_patches_are_refined_in_the_last_steps_only() -> None:
    recipe = SamplerRecipe(start=100, steps=100, sampler="ddim", guidance="off", t0_refine=30)
    asked = []

    class Noted:
        def shift(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
            asked.append(index)
            return torch.zeros_like(y)

    chain = Chain(recipe, lambda y, index: 0.1 * y, refinement=Noted())
    chain.sample(drawn(1, 3, 4, 4))
    assert asked == list(range(29, -1, -1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"steps": 301}, "'steps' is 301, more than the 300"),
        ({"start": 1001}, "'start' is 1001, beyond the 1000"),
        ({"start": 20, "steps": 20}, "'t0_refine' is 40"),
        ({"steps": 0}, "'steps'.*greater"),
        ({"sampler": "euler"}, "'sampler'"),
        ({"N": 3}, "'N'"),
        ({"beta_first": 0.5}, "'beta_first' must not exceed"),
        ({"guidance_scale": math.nan}, "'guidance_scale'"),
    ],
)
def test_wrong_settings_are_one_sentence(content: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_sampler(content)
    assert "\n" not in str(caught.value)


def test_recipes_survive_json_and_every_ablation_differs() -> None:
    for recipe in PRESETS.values():
        assert read_sampler(recipe.model_dump(mode="json")) == recipe
    rows = [read_sampler(fields) for fields in ABLATIONS.values()]
    assert len({SamplerRecipe(), *rows}) == len(rows) + 1
    assert all(field.description for field in SamplerRecipe.model_fields.values())


def test_lambda_falls_from_one_or_stays() -> None:
    recipe = SamplerRecipe()
    assert recipe.uncertainty_share(299) == 1
    assert recipe.uncertainty_share(0) == pytest.approx(1 / 300)
    assert SamplerRecipe(lambda_schedule="constant").uncertainty_share(7) == 0.5
