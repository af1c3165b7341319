"""Which layers are seen together, which comes next, and which takes the place of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.layers import WARPED, heat_of, slide_of, virtual_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Layer

    from napari_virtual_ihc.widgets.session import Session


def base_of(session: Session) -> Image | None:
    """Return the layer of the H&E, on which everything else lies."""
    return None if session.chosen is None else session.chosen.layer()


def over_base(layer: Image | None, base: Image | None) -> list[Image]:
    """Return ``layer``, with the H&E under it where it is virtual or a map."""
    if layer is None:
        return []
    has_gaps = virtual_of(layer) is not None or heat_of(layer) is not None
    return [base, layer] if has_gaps and base is not None and base is not layer else [layer]


def next_to_see(
    layers: Sequence[Image], shown: Sequence[Image | None], base: Image | None
) -> Image | None:
    """Return the layer for one more pane: virtual, real, a map, what is not seen yet before all."""
    ordered = sorted((layer for layer in layers if layer not in shown), key=_rank)
    return ordered[0] if ordered else base


def replaces(layer: Layer, shown: Layer | None) -> bool:
    """Whether a new layer is another model's answer to what is shown."""
    new, old = virtual_of(layer), None if shown is None else virtual_of(shown)
    return new is not None and old is not None and new.slide == old.slide


def _rank(layer: Image) -> int:
    ranks = (
        virtual_of(layer) is not None,
        WARPED in layer.metadata,
        heat_of(layer) is not None,
        slide_of(layer) is not None,
    )
    return ranks.index(True) if True in ranks else len(ranks)


def secret(layer: Layer) -> bool:
    """Whether a layer tells of virtual pixels: it is one, or a map, which may be made of them."""
    return virtual_of(layer) is not None or heat_of(layer) is not None
