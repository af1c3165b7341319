"""Channel, spatial and gating attention, and the fusion of encoder and decoder built from them.

Channel and spatial attention are those of CBAM (Woo et al., ECCV 2018); the gate is that of
Attention U-Net (Oktay et al. 2018). AMMFI, the attention module of the multi-magnification method,
puts them in a row. It has no public code: what its paper leaves open is said where it is decided.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_virtual_ihc.networks.norm import NormKind, make_norm

REDUCTION = 16


class ChannelAttention(nn.Module):
    """M_c(x) = σ(MLP(mean x) + MLP(max x)), one weight per channel (CBAM eq. 2).

    Mean and maximum are taken over the whole map, so that an output depends on all of the input.

    Parameters
    ----------
    channels
        C.
    reduction
        The MLP's hidden layer has C / reduction units, at least one.
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, 1, 1) weights in 0 … 1 of ``x`` (N, C, H, W)."""
        mean = torch.mean(x, dim=(2, 3), keepdim=True)
        most = torch.amax(x, dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.mlp(mean) + self.mlp(most))


class SpatialAttention(nn.Module):
    """M_s(x) = σ(conv 7×7 [mean over channels; maximum over channels]) (CBAM eq. 3)."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 1, H, W) weights in 0 … 1 of ``x`` (N, C, H, W)."""
        mean = torch.mean(x, dim=1, keepdim=True)
        most = torch.amax(x, dim=1, keepdim=True)
        return torch.sigmoid(self.conv(torch.cat([mean, most], dim=1)))


class AttentionGate(nn.Module):
    """α = σ(W_a x + b), one weight per position (Attention U-Net eq. 1); W_a is 3×3 and a norm."""

    def __init__(self, channels: int, norm: NormKind = "batch") -> None:
        super().__init__()
        self.weigh = projection(channels, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 1, H, W) weights in 0 … 1 of ``x`` (N, C, H, W)."""
        return torch.sigmoid(self.weigh(x))


class Ammfi(nn.Module):
    """Let the decoder decide which encoder features pass.

    f' = [W_e f_e ; W_d f_d], f'' = M_c(f') ⊗ f', and f_out = σ(W_a (M_s(f'') ⊗ f'') + b) ⊗ f_e.

    Parameters
    ----------
    channels
        C, of both inputs.
    norm
        Norm behind W_e, W_d and W_a; ``batch`` in the paper's figure.
    literal_eq3
        Take M_s of M_c(f'') ⊗ f'', as the paper's formula reads word by word, instead of M_s(f'').
    """

    def __init__(
        self, channels: int, norm: NormKind = "batch", *, literal_eq3: bool = False
    ) -> None:
        super().__init__()
        self.literal_eq3 = literal_eq3
        self.encoded = projection(channels, channels, norm)
        self.decoded = projection(channels, channels, norm)
        self.channel = ChannelAttention(2 * channels)
        self.spatial = SpatialAttention()
        self.gate = AttentionGate(2 * channels, norm)

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        """Return f_out for f_e and f_d, all (N, C, H, W)."""
        joint = torch.cat([self.encoded(encoded), self.decoded(decoded)], dim=1)
        weighted = self.channel(joint) * joint
        looked_at = self.channel(weighted) * weighted if self.literal_eq3 else weighted
        passed: Tensor = self.gate(self.spatial(looked_at) * weighted) * encoded
        return passed


def projection(before: int, after: int, norm: NormKind) -> nn.Sequential:
    """Return a 3×3 convolution, which has a bias unless batch norm brings one, and its norm."""
    conv = nn.Conv2d(before, after, 3, padding=1, bias=norm != "batch")
    return nn.Sequential(conv, make_norm(norm, after))
