from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks

if TYPE_CHECKING:
    import numpy as np

SIZE = 6144


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return Phantom(3, SIZE, SIZE)


@pytest.fixture(scope="session")
def tumour_windows(phantom: Phantom) -> list[tuple[int, int, int, int]]:
    return [(row * 512, col * 512, 512, 512) for row, col in tumour_blocks(phantom)[:12]]


@pytest.fixture(scope="session")
def fields_of_view() -> list[np.ndarray]:
    """Ten H&E fields of tissue of five phantoms, two each, 512 px at 0.5 µm/px."""
    fields = []
    for seed in range(3, 8):
        made = Phantom(seed, SIZE, SIZE)
        for row, col in tumour_blocks(made)[:2]:
            fields.append(made.he().source.read(0, row * 512, col * 512, 512, 512)[0])
    return fields
