"""Small synthetic pairs on disk, of which a test can spoil one or the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def tissue(seed: int, size: int = 96) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pink ground with dark nuclei, some of which are brown on the other picture."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    he = np.full((size, size, 3), (225, 160, 195), dtype=np.uint8)
    ihc = np.full((size, size, 3), (215, 215, 225), dtype=np.uint8)
    for y, x in rng.integers(0, size, (12, 2)):
        nucleus = (rows - y) ** 2 + (columns - x) ** 2 < 36
        large = rng.random() < 0.5
        he[nucleus] = (110, 60, 130) if large else (70, 40, 110)
        ihc[nucleus] = (110, 70, 40) if large else (100, 110, 160)
    noise = rng.integers(-8, 8, (2, size, size, 3))
    pictures = np.clip(np.stack([he, ihc]) + noise, 0, 255).astype(np.uint8)
    return pictures[0], pictures[1]


def write_pair(folder: Path, name: str, seed: int, names: tuple[str, str] = ("HE", "IHC")) -> None:
    for side, picture in zip(names, tissue(seed), strict=True):
        (folder / side).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / side / f"{name}.png")
