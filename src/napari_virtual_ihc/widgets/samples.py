"""Sample data: synthetic sections, so that everything can be tried without a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.phantom import Phantom

    LayerData = tuple[Any, dict[str, Any], str]

SEED = 7
SIDE_PX = 8192
MPP = 0.5
MARKER = "Ki-67"


def sample_phantom() -> Phantom:
    """Return the phantom of the sample data: 4 × 4 mm at 0.5 µm/px."""
    from napari_virtual_ihc.slides.phantom import Phantom

    return Phantom(seed=SEED, height=SIDE_PX, width=SIDE_PX, mpp=MPP, marker=MARKER)


def phantom_he() -> list[LayerData]:
    """Return one synthetic H&E section."""
    return _shown(sample_phantom())[:1]


def phantom_pair() -> list[LayerData]:
    """Return a synthetic H&E section and its true Ki-67, which starts hidden."""
    return _shown(sample_phantom())


def _shown(phantom: Phantom) -> list[LayerData]:
    from napari_virtual_ihc.widgets.layers import slide_layer
    from napari_virtual_ihc.widgets.session import watch_open_viewers

    watch_open_viewers()
    he, ihc = slide_layer(phantom.he()), slide_layer(phantom.ihc())
    ihc[1]["visible"] = False
    return [he, ihc]
