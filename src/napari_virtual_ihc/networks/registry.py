"""Networks by name, built from the JSON arguments that a model card stores."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter, ValidationError

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.ammfi import AmmfiConfig, AmmfiGenerator
from napari_virtual_ihc.networks.auxiliary import (
    Classifier,
    ClassifierConfig,
    Rebuilder,
    RebuilderConfig,
)
from napari_virtual_ihc.networks.miu_diff import MiuDiffConfig, MiuDiffNetworks
from napari_virtual_ihc.networks.norm_statistics import thaw_statistics
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.projection import PatchProjection, ProjectionConfig
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.resnet18 import Resnet18, Resnet18Config
from napari_virtual_ihc.networks.rrdbnet import Rrdbnet, RrdbnetConfig
from napari_virtual_ihc.networks.score_unet import ScoreUnet, ScoreUnetConfig
from napari_virtual_ihc.networks.segmentation_unet import (
    SegmentationUnet,
    SegmentationUnetConfig,
)
from napari_virtual_ihc.networks.statistics_network import StatisticsConfig, StatisticsNetwork
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

GeneratorConfig = ResnetConfig | UnetConfig | AmmfiConfig
"""Networks from RGB to RGB; each has ``input_nc``, ``output_nc``, ``norm`` and ``stride``."""
DiffusionConfig = ScoreUnetConfig | MiuDiffConfig
"""Networks that make IHC in many steps: no generators, so that one pass is never taken for all."""
Config = (
    GeneratorConfig
    | DiffusionConfig
    | StatisticsConfig
    | PatchGanConfig
    | ProjectionConfig
    | RebuilderConfig
    | Resnet18Config
    | RrdbnetConfig
    | SegmentationUnetConfig
)

architectures: dict[str, tuple[type[Any], type[Any]]] = {
    "resnet": (ResnetConfig, ResnetGenerator),
    "unet": (UnetConfig, UnetGenerator),
    "ammfi": (AmmfiConfig, AmmfiGenerator),
    "patchgan": (PatchGanConfig, PatchGan),
    "projection": (ProjectionConfig, PatchProjection),
    "rebuilder": (RebuilderConfig, Rebuilder),
    "classifier": (ClassifierConfig, Classifier),
    "resnet18": (Resnet18Config, Resnet18),
    "rrdbnet": (RrdbnetConfig, Rrdbnet),
    "segmentation-unet": (SegmentationUnetConfig, SegmentationUnet),
    "score-unet": (ScoreUnetConfig, ScoreUnet),
    "statistics-network": (StatisticsConfig, StatisticsNetwork),
    "miu-diff": (MiuDiffConfig, MiuDiffNetworks),
}


def configure(name: str, arguments: Mapping[str, Any]) -> Config:
    """Return the configuration of architecture ``name`` with ``arguments`` (JSON values).

    Raises
    ------
    ModelError
        If the architecture is unknown, or an argument is unknown or of the wrong kind.
    """
    if name not in architectures:
        raise ModelError(f"Architecture {name!r} is unknown; known are {', '.join(architectures)}.")
    kind = architectures[name][0]
    if unknown := sorted(set(arguments) - {field.name for field in fields(kind)}):
        raise ModelError(f"Architecture {name!r} has no argument {unknown[0]!r}.")
    try:
        config: Config = TypeAdapter(kind).validate_python(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"Architecture {name!r}, argument {field!r}: {first['msg']}.") from error
    return config


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return a freshly initialised network; raises as `configure` does."""
    config = configure(name, arguments)
    network: nn.Module = architectures[name][1](config)
    return network


def expected_shapes(name: str, arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return key → shape of the network's state dict without allocating it.

    Raises
    ------
    ModelError
        As `configure` does.
    """
    state = _on_meta(name, configure(name, arguments)).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def build_empty(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return a network whose tensors are still to be loaded; raises as `configure` does.

    No time is spent on drawing weights that a checkpoint replaces.
    """
    network = _on_meta(name, configure(name, arguments))
    network.to_empty(device="cpu")
    thaw_statistics(network)
    return network


def describe(config: Config) -> dict[str, Any]:
    """Return ``config`` as JSON values, so that ``configure`` gives it back."""
    return {key: _plain(value) for key, value in asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _on_meta(name: str, config: Config) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = architectures[name][1](config)
    return network
