"""A phantom on disk: both sections as slides, the truth as JSON, the cells as arrays."""

from __future__ import annotations

import io
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.files import atomic_write_bytes, read_json, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.ome_tiff import write_ome_tiff
from napari_virtual_ihc.slides.phantom.parameters import PHANTOM_VERSION
from napari_virtual_ihc.slides.phantom.render import BLOCK_PX
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import Section
    from napari_virtual_ihc.slides.phantom.phantom import Phantom
    from napari_virtual_ihc.slides.slide import Slide

TRUTH_SCHEMA = "virtual-ihc/phantom-truth/1"
Format = Literal["zarr", "tiff"]
_FIELD_UM = 250.0
_CEILING_BLOCKS = 8


def write_slide(path: Path, slide: Slide, form: Format, report: Callable[[int, int], None]) -> Path:
    """Write a slide as ``path.ome.zarr`` or ``path.ome.tiff``; go on where it was left.

    Raises
    ------
    ExportError
        If another slide lies there, or the disk is full or read-only.
    """
    staged = path.with_name(f"{path.name}.ome.zarr")
    target = path.with_name(f"{path.name}.ome.tiff")
    facts = stamp("virtual-ihc/phantom-slide/1", "phantom") | {"fingerprint": slide.fingerprint}
    pyramid = _pyramid(staged, slide, facts)
    places = list(np.ndindex(*pyramid.grid))
    for done, (row, col) in enumerate(places, 1):
        if not pyramid.has_tile(row, col):
            pyramid.write_tile(row, col, _tile(slide, row, col))
        report(done, len(places))
    pyramid.build_levels()
    if form == "zarr":
        return staged
    write_ome_tiff(target, pyramid, facts)
    shutil.rmtree(staged)
    return target


def require_same(folder: Path, phantom: Phantom, section: Section) -> None:
    """Refuse a folder whose truth is another phantom's, before anything is written.

    Raises
    ------
    ExportError
        If it holds other slides.
    """
    file = folder / "truth.json"
    if not file.exists():
        return
    found = read_json(file, schema=TRUTH_SCHEMA)
    if (found.get("fingerprint"), found.get("section")) != (phantom.fingerprint, section):
        raise ExportError(f"{folder} holds another phantom; give another folder.")


def _pyramid(path: Path, slide: Slide, facts: dict[str, Any]) -> OmeZarrPyramid:
    if not path.exists():
        height, width = slide.shape
        return OmeZarrPyramid.create(
            path,
            height=height,
            width=width,
            mpp=slide.require_mpp(),
            tile=BLOCK_PX,
            attributes=facts,
        )
    pyramid = OmeZarrPyramid.open(path)
    if pyramid.attributes.get("fingerprint") != facts["fingerprint"]:
        raise ExportError(f"{path.name} holds another slide; give another folder.")
    return pyramid


def _tile(slide: Slide, row: int, col: int) -> NDArray[np.uint8]:
    y, x = row * BLOCK_PX, col * BLOCK_PX
    h, w = min(BLOCK_PX, slide.shape[0] - y), min(BLOCK_PX, slide.shape[1] - x)
    return slide.source.read(0, y, x, h, w)[0]


def write_truth(folder: Path, phantom: Phantom, section: Section) -> dict[str, Any]:
    """Write ``truth.json`` and ``cells.npz`` into a folder and return the former's content.

    ``cells.npz`` holds one array per field of the cell table. The displacement is given at the
    centres of a lattice of 250 µm.
    """
    cells = phantom.cells(0.0, 0.0, *phantom.size_um)
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: cells[name] for name in cells.dtype.names or ()}
    np.savez_compressed(stream, **arrays)
    atomic_write_bytes(folder / "cells.npz", stream.getvalue())
    truth = stamp(TRUTH_SCHEMA, "phantom") | {
        "phantom_version": PHANTOM_VERSION,
        "fingerprint": phantom.fingerprint,
        "seed": phantom.seed,
        "marker": phantom.marker,
        "height_px": phantom.height,
        "width_px": phantom.width,
        "um_per_px": phantom.mpp,
        "section": section,
        "parameters": asdict(phantom.parameters),
        "cells": len(cells),
        "agreement": _agreement(phantom),
        "displacement": _displacement(phantom) if section == "next" else None,
    }
    write_json(folder / "truth.json", truth)
    return truth


def _agreement(phantom: Phantom) -> dict[str, Any] | None:
    blocks = tumour_blocks(phantom)[:_CEILING_BLOCKS]
    windows = [(row * BLOCK_PX, col * BLOCK_PX, BLOCK_PX, BLOCK_PX) for row, col in blocks]
    told = phantom.squares(windows).told()
    return told and told | {"dab_threshold_od": phantom.parameters.dab_threshold}


def _displacement(phantom: Phantom) -> dict[str, Any]:
    height, width = phantom.size_um
    y, x = np.arange(_FIELD_UM / 2, height, _FIELD_UM), np.arange(_FIELD_UM / 2, width, _FIELD_UM)
    dy, dx = phantom.displacement(*np.meshgrid(y, x, indexing="ij"))
    return {
        "maps": "first section µm to next section µm: moving = fixed + d",
        "y_um": y.tolist(),
        "x_um": x.tolist(),
        "dy_um": dy.round(3).tolist(),
        "dx_um": dx.round(3).tolist(),
    }
