from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from translation_scenes import resnet_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return resnet_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
