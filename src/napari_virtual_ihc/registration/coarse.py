"""Where to begin: all rotations and both sides of the section, every shift at once.

Normalised cross-correlation of masked pictures for every translation by fast Fourier transform:
Padfield, IEEE Trans. Image Process. 21, 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, ndimage

from napari_virtual_ihc.registration.affine import compose, similarity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.view import View

    Spectrum = NDArray[np.complex64]

_STEP_DEG = 7.5
_LEAST_OVERLAP = 0.4
_ROOM_DEG = 12.0


@dataclass(frozen=True, eq=False)
class Start:
    """One place to begin at.

    Attributes
    ----------
    affine
        Fixed µm → moving µm.
    score
        Correlation of the two greys where both slides have pixels, −1 to 1.
    """

    affine: Affine
    score: float


def starts(
    fixed: View,
    moving: View,
    keep: int,
    scales: Iterable[float] = (1.0,),
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Start]:
    """Return the best places to begin, best first, no two of them alike.

    Parameters
    ----------
    fixed, moving
        Both at the same coarse µm/px, about 100 to 200 px a side.
    keep
        How many to return at most.
    scales
        Moving µm per fixed µm to try.
    report
        Told how many poses are done, of how many.
    """
    search = _Search(fixed, moving)
    poses = [
        (angle, mirrored, scale)
        for scale in scales
        for mirrored in (False, True)
        for angle in np.arange(-180, 180, _STEP_DEG)
    ]
    found = []
    for done, pose in enumerate(poses, 1):
        found.append((*pose, search.best(*pose)))
        report(done, len(poses))
    found.sort(key=lambda entry: -entry[3].score)
    return [entry[3] for entry in _unlike(found)[:keep]]


def _unlike(
    found: list[tuple[float, bool, float, Start]],
) -> list[tuple[float, bool, float, Start]]:
    kept: list[tuple[float, bool, float, Start]] = []
    for entry in found:
        near = (k for k in kept if k[1] == entry[1] and k[2] == entry[2])
        if all(abs((k[0] - entry[0] + 180) % 360 - 180) > _ROOM_DEG for k in near):
            kept.append(entry)
    return kept


class _Search:
    """The fixed picture's spectra, against which turned moving pictures are correlated."""

    def __init__(self, fixed: View, moving: View) -> None:
        self._fixed, self._moving = fixed, moving
        self._side = int(np.ceil(np.hypot(*moving.shape)))
        sizes = [fft.next_fast_len(n + self._side, real=True) for n in fixed.shape]
        self._size = sizes[0], sizes[1]
        self._spectra = self._spectra_of(*_masked(fixed.grey, fixed.known))
        self._area = min(float(fixed.known.sum()), float(moving.known.sum()))

    def best(self, angle_deg: float, mirrored: bool, scale: float) -> Start:
        """Return the best shift of the moving picture turned so."""
        middle = np.array(self._moving.shape) / 2
        canvas = np.full(2, self._side / 2)
        to_moving = similarity(angle_deg, mirrored, scale, canvas, middle)
        grey, known = (self._turned(a, to_moving) for a in (self._moving.grey, self._moving.known))
        score = self._scores(self._spectra_of(*_masked(grey, known > 0.99)))
        peak = np.unravel_index(int(score.argmax()), score.shape)
        shift = [
            p if p < n else p - s
            for p, n, s in zip(peak, self._fixed.shape, self._size, strict=True)
        ]
        place = np.column_stack([np.eye(2), -np.array(shift, np.float64)])
        affine = compose(to_moving, place)
        affine[:, 2] *= self._fixed.mpp
        return Start(affine, float(score[peak]))

    def _turned(self, values: NDArray[Any], to_moving: Affine) -> NDArray[np.float32]:
        corner = to_moving[:, :2] @ np.full(2, 0.5) + to_moving[:, 2] - 0.5
        turned: NDArray[np.float32] = ndimage.affine_transform(
            values.astype(np.float32), to_moving[:, :2], corner,
            output_shape=(self._side, self._side), order=1,
        )  # fmt: skip
        return turned

    def _spectra_of(
        self, grey: NDArray[np.float32], known: NDArray[np.float32]
    ) -> tuple[Spectrum, Spectrum, Spectrum]:
        one, first, second = (
            fft.rfft2(values, self._size) for values in (known, grey, grey * grey)
        )
        return one, first, second

    def _scores(self, moving: tuple[Spectrum, Spectrum, Spectrum]) -> NDArray[np.float32]:
        (f0, f1, f2), (m0, m1, m2) = self._spectra, (np.conj(s) for s in moving)

        def back(product: Spectrum) -> NDArray[np.float32]:
            values: NDArray[np.float32] = fft.irfft2(product, self._size)
            return values

        count = np.maximum(back(f0 * m0), 1.0)
        sum_f, sum_m = back(f1 * m0), back(f0 * m1)
        var_f = back(f2 * m0) - sum_f**2 / count
        var_m = back(f0 * m2) - sum_m**2 / count
        both = back(f1 * m1) - sum_f * sum_m / count
        least = 1e-4 * count
        score: NDArray[np.float32] = both / np.sqrt(
            np.maximum(var_f, least) * np.maximum(var_m, least)
        )
        score[count < _LEAST_OVERLAP * self._area] = -1
        return score


def _masked(
    grey: NDArray[np.float32], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    weight = known.astype(np.float32)
    middle = grey[known].mean() if known.any() else 0.0
    return (grey - np.float32(middle)) * weight, weight
