"""ResNet-18 (He et al. 2016) in the key layout of torchvision, with a head of any size."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError

_WIDTHS = (64, 128, 256, 512)
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Resnet18Config:
    """Shape of a `Resnet18`: 1000 classes for ImageNet."""

    classes: int = 1000

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not 1 <= self.classes <= 100_000:
            raise ModelError("ResNet-18 argument 'classes' must lie in 1 … 100000.")


class BasicBlock(nn.Module):
    """ReLU(x + conv2(ReLU(conv1(x)))), batch-normalised; x is projected where the shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Sequential | None = None
        if before != after:
            project = nn.Conv2d(before, after, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class Resnet18(nn.Module):
    """Classify (N, 3, H, W) in [-1, 1]; ImageNet's mean and deviation are applied within."""

    def __init__(self, config: Resnet18Config) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for number, width in enumerate(_WIDTHS, 1):
            blocks = [BasicBlock(before, width, min(number, 2)), BasicBlock(width, width, 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            before = width
        self.fc = nn.Linear(before, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, classes)."""
        mean, std = (x.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
        x = ((x + 1) / 2 - mean) / std
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for number in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits
