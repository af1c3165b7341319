"""The µm/px a TIFF states: vendor text first, then resolution tags that are no defaults."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS
from napari_virtual_ihc.slides.readers.opened import MICRONS, from_dpi, isotropic

_INCH = 2
_CENTIMETRE = 3


def tiff_mpp(name: str, page: Any, vendor: str) -> float | None:
    """Return µm/px of a tifffile page, None where it states none.

    Raises
    ------
    SlideError
        Where pixels are more than 2 % from square.
    """
    text = page.description or ""
    if vendor == "aperio":
        stated = _number(r"\bMPP\s*=\s*([0-9.eE+-]+)", text)
        return isotropic(name, stated, stated) or _from_tags(name, page)
    if vendor == "ome":
        return isotropic(name, *ome_size(text)) or _from_tags(name, page)
    if text.startswith("ImageJ="):
        return _from_imagej(name, page, text)
    return _from_tags(name, page)


def ome_size(xml: str) -> tuple[float | None, float | None]:
    """Return the physical pixel width and height, in µm, of the first image in OME-XML."""
    pixels = ome_pixels(xml)
    if pixels is None:
        return None, None
    return _physical(pixels, "X"), _physical(pixels, "Y")


def ome_pixels(xml: str) -> ElementTree.Element | None:
    """Return the Pixels element of the first image in OME-XML, None if there is none."""
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return None
    return next((node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"), None)


def _physical(pixels: ElementTree.Element, axis: str) -> float | None:
    unit = pixels.get(f"PhysicalSize{axis}Unit", "µm").lower()
    value = _number(r"^\s*([0-9.eE+-]+)\s*$", pixels.get(f"PhysicalSize{axis}", ""))
    return None if value is None or unit not in MICRONS else value * MICRONS[unit]


def _from_imagej(name: str, page: Any, text: str) -> float | None:
    unit = re.search(r"^unit=(.*)$", text, re.MULTILINE)
    microns = MICRONS.get(unit.group(1).strip().lower()) if unit else None
    x, y = _resolution(page)
    if microns is None or not x or not y:
        return None
    return isotropic(name, microns / x, microns / y)


def _from_tags(name: str, page: Any) -> float | None:
    x, y = _resolution(page)
    unit = int(page.tags.valueof(296, _INCH))
    if not x or not y or unit not in (_INCH, _CENTIMETRE):
        return None
    per_inch = 2.54 if unit == _CENTIMETRE else 1.0
    return from_dpi(name, x * per_inch, y * per_inch)


def _resolution(page: Any) -> tuple[float, float]:
    try:
        (xn, xd), (yn, yd) = page.tags.valueof(282), page.tags.valueof(283)
        return xn / xd, yn / yd
    except FOREIGN_ERRORS:
        return 0.0, 0.0


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text)
    try:
        return float(found.group(1)) if found else None
    except ValueError:
        return None
