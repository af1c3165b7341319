"""How a pane is linked to the window's own canvas: which places correspond, and its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.registration.affine import shape_of
from napari_virtual_ihc.widgets.camera import rotation

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.widgets.aligned import Aligned

Place = tuple[float, float]
_FLIP = np.diag([1.0, -1.0])


class Straight:
    """The pane shows the same places: whatever lies on the H&E."""

    mirrored = False
    on_he = True

    def there(self, place: Place) -> Place:
        """Return the place (y, x in µm) of the pane that a place of the H&E corresponds to."""
        return place

    def back(self, place: Place) -> Place:
        """Return the place of the H&E that a place of the pane corresponds to."""
        return place

    def turn(self, degrees: float) -> float:
        """Return by how many degrees the pane is turned where the window is turned by some."""
        return degrees


class Through(Straight):
    """The pane shows the moving slide as it was scanned; tissue lies in it as on the H&E.

    Places follow the whole registration; the turn, and whether the pane is mirrored, its affine
    part, so that a pane does not sway while it is panned.

    Parameters
    ----------
    registration
        Of the moving slide onto the H&E.
    """

    on_he = False

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        linear = registration.mapping.affine[:, :2]
        self.mirrored = shape_of(registration.mapping.affine).mirrored
        u, _, v = np.linalg.svd(linear)
        self._upright = (u @ v).T

    def there(self, place: Place) -> Place:
        """See `Straight.there`."""
        y, x = self._registration.to_moving(np.array(place))
        return float(y), float(x)

    def back(self, place: Place) -> Place:
        """See `Straight.back`."""
        y, x = self._registration.to_fixed(np.array(place))
        return float(y), float(x)

    def turn(self, degrees: float) -> float:
        """See `Straight.turn`: the pane's turn times its flip lays the tissue as in the window."""
        wanted = rotation(degrees)[:2, :2] @ self._upright
        matrix = _FLIP @ wanted if self.mirrored else wanted
        return float(np.rad2deg(np.arctan2(matrix[0, 1], matrix[0, 0]))) % 360


class Shifted(Straight):
    """Another link, with a shift that was left between the canvases when they were linked again.

    Parameters
    ----------
    link
        What holds besides.
    by
        Shift (y, x) of the pane in µm.
    """

    def __init__(self, link: Straight, by: Place) -> None:
        self.link, self.by = link, by
        self.mirrored, self.on_he = link.mirrored, link.on_he

    def there(self, place: Place) -> Place:
        """See `Straight.there`."""
        y, x = self.link.there(place)
        return y + self.by[0], x + self.by[1]

    def back(self, place: Place) -> Place:
        """See `Straight.back`."""
        return self.link.back((place[0] - self.by[0], place[1] - self.by[1]))

    def turn(self, degrees: float) -> float:
        """See `Straight.turn`."""
        return self.link.turn(degrees)


def link_of(layer: Image | None, aligned: Aligned | None) -> Straight:
    """Return how a layer corresponds to the H&E: the moving slide's scan by its registration."""
    if aligned is None or layer is None or layer is not aligned.moving.layer():
        return Straight()
    return Through(aligned.registration)


def link_again(link: Straight, centre: Place, pane_centre: Place) -> Straight:
    """Return ``link`` with the shift that two canvases have now."""
    plain = link.link if isinstance(link, Shifted) else link
    y, x = plain.there(centre)
    return Shifted(plain, (pane_centre[0] - y, pane_centre[1] - x))
