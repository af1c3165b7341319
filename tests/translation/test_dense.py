from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_ihc.translation.backends.dense import anchor_weights, blend

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size", [8, 10])
def test_interpolation_of_the_published_code(shared_golden: Path, size: int) -> None:
    """Dense normalization, Interpolation3D: mean and 1/(std + 1e-7) between tile centres."""
    case = np.load(shared_golden / "dn_interpolation.npz")
    place = anchor_weights(size, size, 1.0, size)
    mean = blend(torch.from_numpy(case["mean3x3"]), place, place)[0]
    inverse = blend(1 / (torch.from_numpy(case["std3x3"]) + 1e-7), place, place)[0]
    np.testing.assert_allclose(mean, case[f"mean_{size}"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(inverse, case[f"invstd_{size}"], rtol=1e-4, atol=1e-6)


def test_weights_of_the_top_left_neighbour() -> None:
    before, after = anchor_weights(0, 4, 1.0, 4)
    own = np.where(before == -1, 1 - after, 0)
    np.testing.assert_allclose(np.outer(own, own)[0, :2], (0.375**2, 0.375 * 0.125))
    assert before.tolist() == [-1, -1, 0, 0]


@settings(deadline=None, max_examples=30)
@given(st.integers(-40, 200), st.integers(1, 60), st.sampled_from((1, 2, 4)), st.integers(0, 30))
def test_a_position_has_the_same_value_in_every_window(
    start: int, count: int, step: int, skip: int
) -> None:
    table = torch.rand(2, 26, 26, generator=torch.Generator().manual_seed(0))
    whole = anchor_weights(start * step, count + skip, float(step), 64)
    part = anchor_weights((start + skip) * step, count, float(step), 64)
    first, second = (blend(table, *[(place[0] + 5, place[1])] * 2)[0] for place in (whole, part))
    torch.testing.assert_close(first[:, skip:, skip:], second, rtol=0, atol=0)
