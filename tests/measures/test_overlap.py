from __future__ import annotations

import math

import numpy as np
import pytest

from napari_virtual_ihc.measures.overlap import Dice


def test_dice_of_known_masks_inside_a_third() -> None:
    a = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], bool)
    b = np.array([[1, 0, 0, 1], [1, 0, 0, 0]], bool)
    inside = np.array([[1, 1, 1, 1], [0, 1, 1, 1]], bool)
    whole, part = Dice(), Dice()
    whole.update(a, b)
    part.update(a, b, inside)
    assert whole.compute() == pytest.approx(4 / 6)
    assert part.compute() == pytest.approx(4 / 5)


def test_pieces_give_the_dice_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 40, 30)) < 0.3
    whole, first, second = Dice(), Dice(), Dice()
    whole.update(a, b)
    first.update(a[:17], b[:17])
    second.update(a[17:], b[17:])
    first.merge(second)
    assert first.compute() == whole.compute()
    assert math.isnan(Dice().compute())
    with pytest.raises(ValueError, match="differ"):
        whole.update(a, b[1:])
