"""The network of a diffusion: it tells the noise in a noised picture (diffusers' ``UNet2DModel``).

diffusers is imported when such a network is built, so that all else works without it. Keys are
``unet.`` and diffusers' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FEATURE_LEVELS = 3


@dataclass(frozen=True)
class ScoreUnetConfig:
    """Shape of a `ScoreUnet`; the defaults are the network of guided-diffusion for 256 px.

    Attributes
    ----------
    channels
        Of each level, full resolution first; each level has half the side of the one before.
    blocks
        Residual blocks per level on the way down; one more on the way up.
    attention
        Levels (from 0) with self-attention; the middle always has it.
    head_width
        Channels per attention head.
    groups
        Of group normalisation; divides all channels.
    resampling
        Residual blocks or plain convolutions change the side.
    scale_shift
        The time scales and shifts normalised features (FiLM) instead of being added.
    """

    channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512)
    blocks: int = 1
    attention: tuple[int, ...] = (4,)
    head_width: int = 64
    groups: int = 32
    resampling: Literal["resnet", "conv"] = "resnet"
    scale_shift: bool = True

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not (2 <= len(self.channels) <= 8 and 1 <= self.blocks <= 8):
            raise ModelError("Score network: 'channels' needs 2 to 8 levels, 'blocks' 1 to 8.")
        if self.groups < 1 or not all(
            0 < c <= 4096 and c % self.groups == 0 for c in self.channels
        ):
            raise ModelError("Score network argument 'groups' must divide all 'channels'.")
        if not all(0 <= level < len(self.channels) for level in self.attention):
            raise ModelError("Score network argument 'attention' must name levels that there are.")
        if self.head_width < 1 or any(c % self.head_width for c in self._attending):
            raise ModelError("Score network argument 'head_width' must divide attending channels.")

    @property
    def stride(self) -> int:
        """What the sides of pictures are multiples of."""
        return 1 << (len(self.channels) - 1)

    @property
    def _attending(self) -> list[int]:
        return [self.channels[-1], *(self.channels[level] for level in self.attention)]


SIZES: Mapping[str, ScoreUnetConfig] = {
    "paper": ScoreUnetConfig(),
    "small": ScoreUnetConfig((32, 64, 96, 128), attention=(3,), head_width=32, groups=8),
    "tiny": ScoreUnetConfig((16, 24, 32), attention=(), head_width=16, groups=8, resampling="conv"),
}
"""256 px as published (ADM), 64 to 128 px in minutes, and for tests."""


class ScoreUnet(nn.Module):
    """Tell the noise ε̂ in y_i; (N, 3, H, W), sides multiples of the stride, in and out."""

    def __init__(self, config: ScoreUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.unet: Any = _unet(config)

    def forward(self, y: Tensor, steps: Tensor) -> Tensor:
        """Return ε̂.

        Parameters
        ----------
        y
            Noised pictures.
        steps
            (N,) int64, index of the schedule of each.

        Raises
        ------
        ModelError
            If the sides are no multiples of the stride.
        """
        self._require_sides(y)
        noise: Tensor = self.unet(y, steps, return_dict=False)[0]
        return noise

    def features(self, y: Tensor, steps: Tensor) -> list[Tensor]:
        """Return features on the way down, at 1/2, 1/4 and 1/8 of the side where there are.

        Raises as `forward` does.
        """
        self._require_sides(y)
        time = self.unet.time_embedding(self.unet.time_proj(steps).to(y))
        hidden, found = self.unet.conv_in(y), []
        for block in self.unet.down_blocks[: min(_FEATURE_LEVELS, len(self.config.channels) - 1)]:
            hidden, _ = block(hidden_states=hidden, temb=time)
            found.append(hidden)
        return found

    def _require_sides(self, y: Tensor) -> None:
        stride = self.config.stride
        if any(side % stride for side in y.shape[2:]):
            sides = " × ".join(str(side) for side in y.shape[2:])
            raise ModelError(f"The score network needs sides that {stride} divides, not {sides}.")


def at_step(y: Tensor, index: int) -> Tensor:
    """Return the steps of a batch that is at one index, (N,) int64."""
    return torch.full((len(y),), index, dtype=torch.long, device=y.device)


def _unet(config: ScoreUnetConfig) -> nn.Module:
    try:
        from diffusers.models.unets.unet_2d import UNet2DModel
    except ImportError as error:
        raise ModelError(
            "Diffusion models need the package diffusers; "
            "pip install 'napari-virtual-ihc[diffusion]' brings it."
        ) from error
    plain = ("DownBlock2D", "UpBlock2D")
    if config.resampling == "resnet":
        plain = ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D")
    attending = ("AttnDownBlock2D", "AttnUpBlock2D")
    kinds = [attending if k in config.attention else plain for k in range(len(config.channels))]
    network: nn.Module = UNet2DModel(
        block_out_channels=config.channels,
        down_block_types=tuple(down for down, _ in kinds),
        up_block_types=tuple(up for _, up in reversed(kinds)),
        layers_per_block=config.blocks,
        attention_head_dim=config.head_width,
        norm_num_groups=config.groups,
        downsample_type=config.resampling,
        upsample_type=config.resampling,
        resnet_time_scale_shift="scale_shift" if config.scale_shift else "default",
    )
    return network
