"""How layers whose pixels are computed come into a window: virtual IHC, and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.widgets.layers import HEAT, VIRTUAL, image_arguments
from napari_virtual_ihc.widgets.services import MODELS
from napari_virtual_ihc.widgets.virtual import place_above

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.tiles.pyramid import TilePyramid
    from napari_virtual_ihc.widgets.layers import HeatInfo, VirtualInfo
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


def add_virtual(
    session: Session, entry: SlideEntry, pyramid: TilePyramid, info: VirtualInfo, name: str
) -> Image:
    """Add a layer of virtual tiles right above its slide, and connect it."""
    layer = _add(session, pyramid, {VIRTUAL: info}, name, MODELS)
    place_above(session.viewer, entry.layer(), layer)
    return layer


def add_heat(
    session: Session, pyramid: TilePyramid, info: HeatInfo, name: str, kind: str = MODELS
) -> Image:
    """Add a map above all other layers, and connect it; a service of ``kind`` makes it."""
    return _add(session, pyramid, {HEAT: info}, name, kind)


def _add(
    session: Session, pyramid: TilePyramid, metadata: dict[str, Any], name: str, kind: str
) -> Image:
    arguments = image_arguments(name, pyramid.producer.grid.mpp, metadata)
    layer: Image = session.viewer.add_image(pyramid.levels, **arguments)
    session.connections.connect(session.viewer, layer, pyramid, kind)
    session.layer_connected.emit(layer)
    return layer
