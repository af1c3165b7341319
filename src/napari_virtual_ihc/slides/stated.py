"""What a file that this package wrote states of how its pixels were made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import tifffile
import zarr

from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, quietly
from napari_virtual_ihc.slides.ome_metadata import KEY

if TYPE_CHECKING:
    from pathlib import Path


def stated(path: Path) -> dict[str, Any]:
    """Return the provenance in an OME-Zarr or OME-TIFF, empty where it states none.

    A file of another program, or one that cannot be read, states nothing.
    """
    try:
        with quietly():
            return _of_zarr(path) if path.is_dir() else _of_tiff(path)
    except (*FOREIGN_ERRORS, tifffile.TiffFileError):
        return {}


def described(ome_xml: str) -> dict[str, Any]:
    """Return the provenance in OME metadata, empty where its description holds none."""
    if not ome_xml:
        return {}
    try:
        found = ElementTree.fromstring(ome_xml).find(".//{*}Description")
        content = json.loads(found.text or "") if found is not None else {}
    except (ElementTree.ParseError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _of_zarr(path: Path) -> dict[str, Any]:
    found = zarr.open(store=str(path), mode="r").attrs.get(KEY)
    return dict(found) if isinstance(found, dict) else {}


def _of_tiff(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tiff:
        return described(tiff.ome_metadata or "")
