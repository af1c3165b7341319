from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.service import TileService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[TileCache]:
    cache = TileCache(tmp_path / "tiles", 50_000_000, 50_000_000)
    yield cache
    assert cache.close()


@pytest.fixture
def service(cache: TileCache) -> Iterator[TileService]:
    service = TileService(cache, "test")
    yield service
    assert service.close()
