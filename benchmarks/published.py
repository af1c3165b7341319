"""A training step of ASP or MDCL as their public codes take it, for the benchmark to measure.

float32, channels first, torch's InstanceNorm2d; x and y are translated together, then x, ŷ, y and
G(y) are each encoded by a pass of its own, those of the keys with their graphs; the projection
head gathers patches from transposed maps. Written out here from the description of the method.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_virtual_ihc.losses.adaptive_nce import AspSchedule, adaptive_patch_nce
from napari_virtual_ihc.losses.gan import discriminator_loss, gan_loss
from napari_virtual_ihc.losses.gaussian_pyramid import pyramid_l1
from napari_virtual_ihc.losses.patch_nce import patch_nce
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm
from napari_virtual_ihc.networks.projection import unit_vectors

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.asp import Asp

Maps = list[Tensor]
PatchLoss = Callable[[Tensor, Tensor], Tensor]


class PublishedStep:
    """Networks with the weights of ``method``, and the step that the public codes take."""

    def __init__(self, method: Asp) -> None:
        self.recipe = method.recipe
        self.negatives = method.nce_negatives
        g, d, f = (copy.deepcopy(method.networks[letter]) for letter in "GDF")
        self.generator, self.judge, self.head = (as_published(network) for network in (g, d, f))
        betas = (self.recipe.beta1, self.recipe.beta2)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=self.recipe.lr, betas=betas)
            for network in (self.generator, self.judge, self.head)
        ]

    def __call__(self, he: Tensor, ihc: Tensor, epoch: int) -> float:
        """Step once on (B, 3, H, W) pairs; return the generator's loss."""
        of_generator, of_judge, of_head = self.optimisers
        both = self.generator(torch.cat([he, ihc]))
        fake, identity = both[: len(he)], both[len(he) :]
        self.judge.requires_grad_(True)
        of_judge.zero_grad()
        discriminator_loss(self.judge(fake.detach()), self.judge(ihc)).backward()
        of_judge.step()
        self.judge.requires_grad_(False)
        of_generator.zero_grad()
        of_head.zero_grad()
        total = self._generator_loss(he, ihc, fake, identity, epoch)
        total.backward()
        of_generator.step()
        of_head.step()
        return float(total.detach())

    def _generator_loss(
        self, he: Tensor, ihc: Tensor, fake: Tensor, identity: Tensor, epoch: int
    ) -> Tensor:
        recipe = self.recipe
        maps = [self._encode(picture) for picture in (he, fake, ihc, identity)]
        of_he, of_fake, of_ihc, of_identity = maps
        schedule = AspSchedule(
            recipe.asp_scheduler, recipe.asp_lookup, recipe.n_epochs, recipe.n_epochs_decay
        )

        def plain(query: Tensor, key: Tensor) -> Tensor:
            return patch_nce(query, key, images=len(he), negatives=self.negatives)

        def adaptive(query: Tensor, key: Tensor) -> Tensor:
            return adaptive_patch_nce(
                query, key, schedule, epoch, images=len(he), negatives=self.negatives
            )

        return (
            gan_loss(self.judge(fake), real=True).mean() * recipe.lambda_gan
            + self._contrast(of_he, of_fake, plain) * recipe.lambda_nce
            + self._contrast(of_ihc, of_identity, plain) * recipe.lambda_nce
            + self._contrast(of_ihc, of_fake, adaptive) * recipe.lambda_asp
            + pyramid_l1(fake, ihc, recipe.gp_weights) * recipe.lambda_gp
        )

    def _encode(self, picture: Tensor) -> Maps:
        return self.generator.features(picture, self.recipe.nce_layers)

    def _contrast(self, keys: Maps, queries: Maps, loss: PatchLoss) -> Tensor:
        taps = []
        for tap, (key, query) in enumerate(zip(keys, queries, strict=True)):
            places = torch.randperm(key.shape[2] * key.shape[3])[: self.recipe.num_patches]
            k, q = (self._project(tap, feature, places) for feature in (key, query))
            taps.append(loss(q, k).mean())
        return torch.stack(taps).mean()

    def _project(self, tap: int, feature: Tensor, places: Tensor) -> Tensor:
        rows = feature.permute(0, 2, 3, 1).flatten(1, 2)[:, places.to(feature.device)]
        return unit_vectors(self.head.get_submodule(f"mlp_{tap}")(rows.flatten(0, 1)))


def as_published(network: nn.Module) -> nn.Module:
    """Return ``network``, channels first, with torch's own instance norm in place of ours."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, FreezableInstanceNorm):
            parent, _, last = name.rpartition(".")
            network.get_submodule(parent).register_module(last, nn.InstanceNorm2d(layer.channels))
    return network.to(memory_format=torch.contiguous_format)
