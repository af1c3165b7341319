"""From an affine map to a smooth field: block matches joined by a regularised lattice.

The field minimises the weighted squared distance to the matches plus its bending energy; matches
that disagree with it lose their weight (Geman and McClure), so that a wrong block does not pull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.refine import at_level, coupled, robust_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.registration.affine import Affine, Points
    from napari_virtual_ihc.registration.refine import Level, Pairs
    from napari_virtual_ihc.registration.view import View

_ROUNDS = 8
_PULL_BACK = 0.01
_TINY = 1e-6
_SPACING = 1.5
_LEAST_PX = 5.0


def refine_elastic(
    fixed: View, moving: View, start: Affine, levels: Sequence[Level], stiffness: float = 1.0
) -> Mapping:
    """Return ``start`` with a field refined at each level in turn, the smoother the stiffer."""
    mapping = Mapping(start)
    size = fixed.shape[0] * fixed.mpp, fixed.shape[1] * fixed.mpp
    for level in levels:
        views = at_level(fixed, moving, level.side)
        px = views[0].mpp

        def fit(pairs: Pairs, px: float = px, step: int = level.step) -> Mapping:
            field = fit_field(pairs, start, size, _SPACING * step * px, _LEAST_PX * px, stiffness)
            return Mapping(start, field)

        for _ in range(level.rounds):
            mapping = coupled(*views, mapping, level, fit)
    return mapping


def fit_field(
    pairs: Pairs,
    affine: Affine,
    size_um: tuple[float, float],
    spacing: float,
    least_um: float,
    stiffness: float = 1.0,
) -> Field:
    """Return the field that most matches agree on.

    Parameters
    ----------
    pairs
        Matches.
    affine
        What the field is added to.
    size_um
        Height and width of the fixed section.
    spacing
        Of the lattice, µm.
    least_um
        Residuals under about this count in full.
    stiffness
        Of the bending energy, against matches of weight 1.
    """
    rows, cols = (int(np.ceil(side / spacing)) + 1 for side in size_um)
    basis = _hats(pairs.fixed / spacing, (rows, cols))
    stiff = stiffness * _bending(rows, cols) + _PULL_BACK * _membrane(rows, cols)
    stiff += _TINY * sparse.eye_array(rows * cols)
    wanted = pairs.moving - affine_map.apply(affine, pairs.fixed)
    values = np.zeros((rows * cols, 2))
    weights = pairs.weights
    for _ in range(_ROUNDS):
        left = (basis.T @ sparse.diags_array(weights) @ basis + stiff).tocsc()
        values = linalg.splu(left).solve(basis.T @ (weights[:, None] * wanted))
        residuals = np.linalg.norm(basis @ values - wanted, axis=1)
        weights = pairs.weights * robust_weights(residuals, least_um)
    return Field(values.reshape(rows, cols, 2), (0.0, 0.0), (spacing, spacing))


def _hats(seats: Points, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the weights (n, nodes) of bilinear interpolation at ``seats`` in nodes."""
    low = np.clip(np.floor(seats).astype(np.intp), 0, np.array(shape) - 2)
    part = seats - low
    entries, columns = [], []
    for down in (0, 1):
        for right in (0, 1):
            sides = (part if k else 1 - part for k in (down, right))
            y, x = (side[:, axis] for axis, side in enumerate(sides))
            entries.append(y * x)
            columns.append((low[:, 0] + down) * shape[1] + low[:, 1] + right)
    rows = np.tile(np.arange(len(seats)), 4)
    size = (len(seats), shape[0] * shape[1])
    return sparse.csr_array((np.concatenate(entries), (rows, np.concatenate(columns))), size)


def _membrane(rows: int, cols: int) -> sparse.csr_array:
    down, right = _differences(rows, 1), _differences(cols, 1)
    return _energy(down, sparse.eye_array(cols)) + _energy(sparse.eye_array(rows), right)


def _bending(rows: int, cols: int) -> sparse.csr_array:
    """Return the thin-plate energy ∫ u_yy² + 2 u_xy² + u_xx² as a quadratic form on the lattice."""
    both = _energy(_differences(rows, 1), _differences(cols, 1))
    down = _energy(_differences(rows, 2), sparse.eye_array(cols))
    right = _energy(sparse.eye_array(rows), _differences(cols, 2))
    return down + 2 * both + right


def _differences(count: int, order: int) -> sparse.csr_array:
    matrix = sparse.eye_array(count, format="csr")
    for _ in range(order):
        matrix = matrix[1:] - matrix[:-1]
    return matrix


def _energy(down: sparse.csr_array, right: sparse.csr_array) -> sparse.csr_array:
    product = sparse.kron(down, right, format="csr")
    return product.T @ product
