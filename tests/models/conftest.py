from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = ResnetConfig(ngf=3, n_blocks=1)


def small_card(**changes: object) -> ModelCard:
    facts: dict[str, object] = {
        "name": "small",
        "architecture": "resnet",
        "arguments": describe(CONFIG),
        "marker": "HER2",
        "mpp_in": 0.5,
        "mpp_out": 0.5,
        "tiling": "exact",
        "dependency_radius": 29,
    }
    return ModelCard.model_validate(facts | changes)


@pytest.fixture
def make_card() -> Callable[..., ModelCard]:
    return small_card


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    network = ResnetGenerator(CONFIG)
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(2))
    return network.state_dict()


@pytest.fixture
def folder(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    return save_model(tmp_path / "library" / "small", small_card(), state)
