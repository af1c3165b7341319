"""The reader of the manifest: a slide opens at once, and is read as it is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a function that reads ``path``, or None where it is no slide we know."""
    from napari_virtual_ihc.slides.open import can_open

    return read if all(can_open(Path(one)) for one in _paths(path)) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Open slides; only metadata is read here, pixels come later and elsewhere.

    Raises
    ------
    SlideError
        If a file is no slide; the sentence names it.
    """
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.widgets.layers import slide_layer
    from napari_virtual_ihc.widgets.session import watch_open_viewers

    watch_open_viewers()
    return [slide_layer(open_slide(Path(one))) for one in _paths(path)]


def _paths(path: str | Sequence[str]) -> Sequence[str]:
    return [path] if isinstance(path, str | Path) else path
