"""Which pages of a TIFF are the slide: its levels, and never its label, macro or thumbnail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, plain
from napari_virtual_ihc.slides.readers.tiff_scale import ome_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

RGB, PALETTE, YCBCR = 2, 3, 6
_MOST_PAGES = 256
_ASSOCIATED = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
_REDUCED, _MACRO = 1, 9
_NDPI_LENS, _NDPI_FOCUS, _NDPI_FILTER, _NDPI_MODE = 65421, 65424, 65434, 65441


def vendor_of(page: Any) -> str:
    """Return the kind of TIFF its first page declares."""
    kinds = {
        "aperio": "is_svs", "hamamatsu": "is_ndpi", "ome": "is_ome", "perkinelmer": "is_qpi",
        "ventana": "is_bif", "leica": "is_scn", "philips": "is_philips",
    }  # fmt: skip
    return next((kind for kind, flag in kinds.items() if getattr(page, flag)), "tiff")


def first_page(pages: Any) -> Any:
    """Return the first page, or say that the file holds none."""
    try:
        return pages[0]
    except IndexError as error:
        raise SlideError("it holds no picture; it was cut off or is damaged") from error


def walk(pages: Any) -> Iterator[Any]:
    """Yield pages in file order; a chain that bites its tail or breaks off ends there.

    At most 256 are looked at.
    """
    seen: set[int] = set()
    for index in range(_MOST_PAGES):
        try:
            page = pages[index]
        except FOREIGN_ERRORS:
            return
        if page.offset in seen:
            return
        seen.add(page.offset)
        yield page


def level_pages(pages: Any, vendor: str) -> list[Any]:
    """Return the pages of the slide's levels, the full one first, strictly shrinking."""
    first = first_page(pages)
    if vendor == "hamamatsu":
        candidates = _focal_plane([page for page in walk(pages) if _lens(page) > 0])
    elif first.subifds:
        candidates = [first, *walk(first.pages)]
    elif vendor == "ome":
        candidates = [first]
    else:
        candidates = [first, *(p for p in list(walk(pages))[1:] if _is_reduced(p, first, vendor))]
    return _shrinking(candidates)


def refuse_other_than_brightfield(name: str, page: Any, vendor: str) -> None:
    """Raise NotBrightfieldError where tags say that a page is not 8-bit brightfield RGB."""
    found = _other_content(page, vendor)
    if found:
        raise NotBrightfieldError(
            f"{name} holds {found}, not brightfield RGB; only brightfield slides can be opened."
        )


def _other_content(page: Any, vendor: str) -> str | None:
    kind = "fluorescence (PerkinElmer/Akoya)" if vendor == "perkinelmer" else "a picture"
    if page.photometric == PALETTE:
        return "a palette picture"
    if page.samplesperpixel not in (3, 4):
        return f"{kind} with {page.samplesperpixel} channel(s) per page"
    if page.dtype != "uint8":
        return f"{page.dtype or page.bitspersample} pixels"
    if page.photometric not in (RGB, YCBCR):
        return f"colours stored as {getattr(page.photometric, 'name', page.photometric)}"
    if vendor == "hamamatsu" and page.tags.valueof(_NDPI_MODE, 0) != 0:
        filter_set = plain(str(page.tags.valueof(_NDPI_FILTER, "")), 40)
        return f"fluorescence (filter set {filter_set})" if filter_set else None
    return _other_ome(page) if vendor == "ome" else None


def _other_ome(page: Any) -> str | None:
    pixels = ome_pixels(page.description)
    channels = [] if pixels is None else [n for n in pixels if n.tag.endswith("Channel")]
    return f"{len(channels)} channels" if len(channels) > 1 else None


def _is_reduced(page: Any, first: Any, vendor: str) -> bool:
    text = "" if vendor == "hamamatsu" else page.description or ""
    kind = int(page.subfiletype)
    if kind == _MACRO or _ASSOCIATED.search(_own_words(text, vendor)):
        return False
    if vendor == "aperio":
        return bool(page.is_tiled)
    return bool(kind & _REDUCED) or page.is_tiled == first.is_tiled


def _own_words(text: str, vendor: str) -> str:
    """Return the part of a description that says what a page is, without the scan's history."""
    if vendor == "perkinelmer":
        found = re.search(r"<ImageType>(.*?)</ImageType>", text)
        return found.group(1) if found else ""
    return text.split("|", 1)[0] if vendor == "aperio" else text[:200]


def _lens(page: Any) -> float:
    return float(page.tags.valueof(_NDPI_LENS, 0))


def _focal_plane(pages: list[Any]) -> list[Any]:
    return [page for page in pages if page.tags.valueof(_NDPI_FOCUS, 0) == 0] or pages


def _shrinking(candidates: list[Any]) -> list[Any]:
    if not candidates:
        raise SlideError("it has no page with the slide's pixels")
    levels = candidates[:1]
    for page in sorted(candidates[1:], key=lambda page: -page.imagewidth):
        if _is_smaller(levels[0], levels[-1], page):
            levels.append(page)
    return levels


def _is_smaller(first: Any, last: Any, page: Any) -> bool:
    if min(page.imagelength, page.imagewidth) < 1 or page.samplesperpixel != first.samplesperpixel:
        return False
    down, across = first.imagelength / page.imagelength, first.imagewidth / page.imagewidth
    whole = max(round((down * across) ** 0.5), 1)
    fits = abs(first.imagelength / whole - page.imagelength) <= 1
    fits = fits and abs(first.imagewidth / whole - page.imagewidth) <= 1
    same = page.dtype == first.dtype and page.photometric in (RGB, YCBCR)
    shrinks = page.imagelength * 1.4 < last.imagelength and page.imagewidth * 1.4 < last.imagewidth
    return bool(same and shrinks and (fits or abs(down / across - 1) < 0.01))
