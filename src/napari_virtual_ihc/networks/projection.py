"""The projection head of patch-contrastive methods (``mlp_sample``, ``sample`` of CUT, ASP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator

_EPS = 1e-7


@dataclass(frozen=True)
class ProjectionConfig:
    """Shape of a `PatchProjection`.

    Attributes
    ----------
    channels
        Channels of each tap, from `networks.resnet.tap_channels`.
    width
        Output features of each MLP.
    use_mlp
        False keeps the raw features (``sample``).
    legacy_l2norm
        CUT's v / (‖v‖ + 1e-7), whose gradient at 0 is NaN, instead of ASP's v / ‖v + 1e-7‖.
    """

    channels: tuple[int, ...]
    width: int = 256
    use_mlp: bool = True
    legacy_l2norm: bool = False

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        object.__setattr__(self, "channels", tuple(self.channels))
        if not self.channels or min(*self.channels, self.width) < 1:
            raise ModelError("Projection arguments 'channels' and 'width' must be at least 1.")


class PatchProjection(nn.Module):
    """Sample patches of feature maps, project each tap by its own MLP, normalise to unit length.

    Patches are gathered in the layout of the map, so that its gradient has that layout too.
    """

    def __init__(self, config: ProjectionConfig) -> None:
        super().__init__()
        self.config = config
        for tap, channels in enumerate(config.channels if config.use_mlp else ()):
            layers = [
                nn.Linear(channels, config.width),
                nn.ReLU(),
                nn.Linear(config.width, config.width),
            ]
            self.add_module(f"mlp_{tap}", nn.Sequential(*layers))

    def forward(self, features: Sequence[Tensor], ids: Sequence[Tensor]) -> list[Tensor]:
        """Return the projected patches of each tap.

        Parameters
        ----------
        features
            One (N, C, H, W) map per tap.
        ids
            One (P,) tensor of row-major positions per tap, shared by all images of the batch.

        Returns
        -------
        One (N · P, width) tensor of unit vectors per tap, image-major.

        Raises
        ------
        ModelError
            If the number of maps or of id tensors is not the number of taps.
        """
        taps = len(self.config.channels)
        if len(features) != taps or len(ids) != taps:
            raise ModelError(
                f"The projection head takes {taps} taps, not {len(features)} maps, {len(ids)} ids."
            )
        return [
            self._project(tap, *pair) for tap, pair in enumerate(zip(features, ids, strict=True))
        ]

    def _project(self, tap: int, feature: Tensor, ids: Tensor) -> Tensor:
        patches = gather(feature, ids)
        if self.config.use_mlp:
            patches = self.get_submodule(f"mlp_{tap}")(patches)
        return unit_vectors(patches.to(_wide(patches)), legacy=self.config.legacy_l2norm)


def gather(feature: Tensor, ids: Tensor) -> Tensor:
    """Return the vectors (N · P, C) at row-major positions ``ids`` (P,) of (N, C, H, W)."""
    if feature.is_contiguous():
        return feature.flatten(2)[:, :, ids].transpose(1, 2).flatten(0, 1)
    return feature.permute(0, 2, 3, 1).flatten(1, 2)[:, ids].flatten(0, 1)


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def unit_vectors(vectors: Tensor, *, legacy: bool = False) -> Tensor:
    """Normalise the rows of ``vectors`` (rows, features) as ASP does, or as CUT (``legacy``)."""
    if legacy:
        return vectors / (_lengths(vectors) + _EPS)
    return vectors / _lengths(vectors + _EPS)


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return lengths


def sample_ids(
    features: Sequence[Tensor], patches: int = 256, generator: Generator | None = None
) -> list[Tensor]:
    """Draw ``patches`` distinct positions per (N, C, H, W) map (all of a smaller map).

    ``generator`` is a CPU generator, so that the draw is the same on every device.
    """
    drawn = (
        torch.randperm(f.shape[2] * f.shape[3], generator=generator)[:patches] for f in features
    )
    return [ids.to(feature.device) for ids, feature in zip(drawn, features, strict=True)]
