"""Both networks of a MIU-Diff model as one: what IHC looks like, and whose structure it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from napari_virtual_ihc.networks.score_unet import ScoreUnet, ScoreUnetConfig
from napari_virtual_ihc.networks.statistics_network import StatisticsConfig, StatisticsNetwork


@dataclass(frozen=True)
class MiuDiffConfig:
    """Shape of a `MiuDiffNetworks`.

    Attributes
    ----------
    statistics
        None where nothing estimates mutual information, and the chain goes unguided by it.
    """

    score: ScoreUnetConfig = field(default_factory=ScoreUnetConfig)
    statistics: StatisticsConfig | None = None

    @property
    def stride(self) -> int:
        """What the sides of pictures are multiples of."""
        steps = 0 if self.statistics is None else len(self.statistics.widths)
        return max(self.score.stride, 1 << steps)


class MiuDiffNetworks(nn.Module):
    """Score and, where there is one, statistics network; it has no pass of its own."""

    def __init__(self, config: MiuDiffConfig) -> None:
        super().__init__()
        self.config = config
        self.score = ScoreUnet(config.score)
        self.statistics: StatisticsNetwork | None = None
        if config.statistics is not None:
            self.statistics = StatisticsNetwork(config.statistics)
