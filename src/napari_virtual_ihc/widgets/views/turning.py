"""The view turned by any angle: napari's flat camera cannot turn, so all layers turn instead.

The angle is kept where napari keeps the angles of its camera, whose third one has no meaning in a
flat view. Layers turn about the world's origin, so places of the slide stay µm: they are read with
`camera.to_slide`, and a layer that is placed by other means is placed with :func:`turned`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.widgets.camera import rotation, turn_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray


class Turning:
    """Keeps the layers of a viewer turned as its camera says.

    Parameters
    ----------
    viewer
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._degrees = 0.0
        viewer.scene.camera.events.angles.connect(self._on_angles)
        viewer.layers.events.inserted.connect(self._on_inserted)

    def _on_angles(self, _event: object = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            former, self._degrees = self._degrees, turn_of(viewer)
            for layer in viewer.layers:
                _turn(layer, self._degrees - former)

    def _on_inserted(self, event: Any) -> None:
        _turn(event.value, self._degrees)


def turned(viewer: ViewerModel, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix to give to a layer that shall lie by ``affine`` (3 × 3) on the slide."""
    return rotation(turn_of(viewer)) @ affine


def _turn(layer: Layer, degrees: float) -> None:
    if degrees and layer.ndim == 2:
        layer.affine = rotation(degrees) @ np.asarray(layer.affine)
