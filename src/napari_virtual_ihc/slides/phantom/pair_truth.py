"""What is true of held-out pairs, on disk, and the agreement an ideal reader of them reaches."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.files import atomic_write_bytes
from napari_virtual_ihc.slides.phantom.truth import Squares

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.phantom import Phantom
    from napari_virtual_ihc.slides.phantom.truth import Window

_COLUMNS = ("dab", "ideal", "hematoxylin")


def window_truth(phantom: Phantom, window: Window) -> dict[str, Any]:
    """Return what is true of a window of the first section.

    Returns
    -------
    dict
        Arrays: ``dab``, ``ideal`` and ``hematoxylin``, one value per 128 µm square with enough
        tumour (see `Squares`), squares row by row; ``tumour``, (h, w) bool, where living tumour
        lies.
    """
    squares = phantom.squares([window])
    columns: dict[str, Any] = {name: getattr(squares, name) for name in _COLUMNS}
    return columns | {"tumour": phantom.tumour_mask(*window)}


def write_window_truth(file: Path, phantom: Phantom, window: Window, **more: NDArray[Any]) -> None:
    """Write `window_truth` and ``more`` arrays as npz, atomically, unless the file is there."""
    if not file.exists():
        stream = io.BytesIO()
        arrays: dict[str, Any] = window_truth(phantom, window) | more
        np.savez_compressed(stream, **arrays)
        atomic_write_bytes(file, stream.getvalue())


def read_squares(folder: Path) -> Squares:
    """Return the squares of all windows whose truth lies in ``folder``, by name.

    Their `Squares.ceiling` is what no method can surpass on these windows, `Squares.baseline`
    what hematoxylin alone tells.

    Raises
    ------
    DataError
        If the folder holds no truth.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"{folder} holds no truth of pairs; write them with --truth.")
    columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _COLUMNS}
    for file in files:
        with np.load(file) as arrays:
            for name in _COLUMNS:
                columns[name].append(arrays[name])
    return Squares(*(np.concatenate(columns[name]) for name in _COLUMNS))
