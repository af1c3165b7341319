"""The task networks of VSMT, which learn one stain each: a reconstruction and a classification.

Both begin alike (classic layout, residual blocks x + ReLU(conv_block(x))), so that their features
have one shape; keys ``model.N…`` and ``fc.*`` are those of the published weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.dropout import Dropout
from napari_virtual_ihc.networks.norm import make_norm
from napari_virtual_ihc.networks.tapping import run_tapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_BLOCK = 10


@dataclass(frozen=True)
class RebuilderConfig:
    """Shape of a `Rebuilder`; its features have 4 · ngf channels at a quarter of the size."""

    ngf: int = 64
    n_blocks: int = 9
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not (1 <= self.ngf <= 1024 and 2 <= self.n_blocks <= 64):
            raise ModelError("Task network arguments: 'ngf' from 1, 'n_blocks' from 2.")
        if not 0 <= self.dropout < 1:
            raise ModelError("Task network argument 'dropout' must lie in 0 … 1.")

    @property
    def taps(self) -> tuple[int, int]:
        """Layers whose features serve VSMT: the second and the last residual block."""
        return _FIRST_BLOCK + 1, _FIRST_BLOCK + self.n_blocks - 1

    @property
    def width(self) -> int:
        """Channels of the features."""
        return 4 * self.ngf


@dataclass(frozen=True)
class ClassifierConfig(RebuilderConfig):
    """Shape of a `Classifier` into ``classes`` classes."""

    classes: int = 4

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        super().__post_init__()
        if not 2 <= self.classes <= 1000:
            raise ModelError("Task network argument 'classes' must lie in 2 … 1000.")


class TaskBlock(nn.Module):
    """x + ReLU(conv_block(x)); (N, C, H, W) in and out."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *_reflected(width), nn.ReLU(inplace=True), Dropout(dropout), *_reflected(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = x + self.conv_block(x).relu()
        return out


class Rebuilder(nn.Module):
    """Reconstruct (N, 3, H, W) in [-1, 1], sides multiples of 4, through a bottleneck, no skips."""

    def __init__(self, config: RebuilderConfig) -> None:
        super().__init__()
        self.config = config
        wide, ngf = config.width, config.ngf
        self.model = nn.Sequential(
            *_encoder(config),
            *_up(wide, 2 * ngf),
            *_up(2 * ngf, ngf),
            nn.ReflectionPad2d(3),
            nn.Conv2d(ngf, 3, 7),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction."""
        out: Tensor = self.model(x)
        return out

    def features(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Return the outputs of the layers ``taps``; ModelError if they are none of its layers."""
        return run_tapped(self.model, x, taps)


class Classifier(nn.Module):
    """Classify (N, 3, H, W) in [-1, 1], sides multiples of 4: (N, classes) logits."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        wide = config.width
        self.model = nn.Sequential(
            *_encoder(config), *_down(wide, 2 * wide), *_down(2 * wide, 2 * wide)
        )
        self.fc = nn.Linear(2 * wide, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(self.model(x).mean(dim=(2, 3)))
        return logits

    def features(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Return the outputs of the layers ``taps``; ModelError if they are none of its layers."""
        return run_tapped(self.model, x, taps)


def _encoder(config: RebuilderConfig) -> list[nn.Module]:
    ngf = config.ngf
    return [
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, ngf, 7),
        *_norm_relu(ngf),
        *_down(ngf, 2 * ngf, "reflect"),
        *_down(2 * ngf, 4 * ngf, "reflect"),
        *(TaskBlock(config.width, config.dropout) for _ in range(config.n_blocks)),
    ]


def _down(
    before: int, after: int, padding: Literal["zeros", "reflect"] = "zeros"
) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, 3, stride=2, padding=1, padding_mode=padding)
    return [conv, *_norm_relu(after)]


def _up(before: int, after: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
    return [conv, *_norm_relu(after)]


def _reflected(width: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), make_norm("instance", width)]


def _norm_relu(width: int) -> list[nn.Module]:
    return [make_norm("instance", width), nn.ReLU(inplace=True)]
