"""The next section: a known smooth deformation of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.noise import smooth_at, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters

Points = "NDArray[np.float64]"


class Deformation:
    """Displacement from the first section (fixed) to the next (moving): ``moving = fixed + d``.

    A stretch of a few per cent about the slide's centre plus a smooth shift of tens of µm; its
    gradient stays below 0.2, so it can be inverted by iteration.
    """

    def __init__(
        self, key: int, height_um: float, width_um: float, parameters: PhantomParameters
    ) -> None:
        self._key = key * 1009
        self._centre = (height_um / 2, width_um / 2)
        self._scale = parameters.shift_scale_um
        self._shift = parameters.shift_um
        draw = uniform(np.arange(4, dtype=np.int64), key, 902)
        stretch = (2 * draw - 1) * parameters.stretch
        reach = 20.0 * parameters.shift_um / max(height_um, width_um, 1.0)
        self._stretch = np.clip(stretch, -reach, reach)

    def displacement(
        self, y: NDArray[np.float64], x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the displacement (dy, dx) in µm at points of the first section (µm)."""
        shape = np.shape(y)
        flat_y, flat_x = np.ravel(y).astype(np.float64), np.ravel(x).astype(np.float64)
        v, u = flat_y - self._centre[0], flat_x - self._centre[1]
        a, b, c, d = self._stretch
        dy = (
            a * v
            + 0.3 * b * u
            + self._shift * smooth_at(self._key + 301, flat_y, flat_x, self._scale)
        )
        dx = (
            0.3 * c * v
            + d * u
            + self._shift * smooth_at(self._key + 302, flat_y, flat_x, self._scale)
        )
        return dy.reshape(shape), dx.reshape(shape)

    def to_first(
        self, y: NDArray[np.float64], x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the points of the first section that come to lie at points of the next (µm)."""
        first_y, first_x = np.asarray(y, np.float64), np.asarray(x, np.float64)
        for _ in range(12):
            dy, dx = self.displacement(first_y, first_x)
            first_y, first_x = y - dy, x - dx
        return first_y, first_x
