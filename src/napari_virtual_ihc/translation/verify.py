"""Whether an output is what its provenance says: made again, tile by tile, and compared."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_virtual_ihc.errors import ExportError, ModelError, UsageError
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.calibration import ignore, never
from napari_virtual_ihc.translation.record import Record, checksums
from napari_virtual_ihc.translation.sites import spread_order
from napari_virtual_ihc.translation.translator import ALGORITHM, Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.translation.calibration import Statistics

SCHEMA = "virtual-ihc/verification/1"
TOLERANCE, SHARE = 3, 0.999


@dataclass(frozen=True)
class VerifyReport:
    """What comparing an output with its slide and model gave.

    Attributes
    ----------
    agrees
        Whether nothing speaks against the output.
    reason
        One sentence: why not, or how far it was looked at.
    checked_tiles
        Tiles made again and compared.
    differing_tiles
        ``row, column: largest difference in grey levels`` of those beyond the tolerance.
    altered_tiles
        ``level/row/column`` of tiles whose pixels changed after the export was finished.
    exact
        Whether bytes were compared (same backend and kind of device) or, with False, at least
        99.9 % of values within 3 grey levels asked for.
    """

    agrees: bool
    reason: str
    checked_tiles: int = 0
    differing_tiles: tuple[str, ...] = ()
    altered_tiles: tuple[str, ...] = ()
    exact: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with schema, command and version."""
        return stamp(SCHEMA, "verify") | asdict(self)


class Output:
    """A finished or unfinished export, in either format.

    Raises
    ------
    ExportError
        If it was not written by this package.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._pyramid: OmeZarrPyramid | None = None
        self._slide: Slide | None = None
        if path.is_dir():
            self._pyramid = OmeZarrPyramid.open(path)
            self.provenance = self._pyramid.attributes
        else:
            self.provenance = tiff_provenance(path)
            self._slide = open_slide(path)
        if "key" not in self.provenance:
            raise ExportError(f"{path.name} states no provenance and cannot be verified.")

    def statistics(self) -> Statistics | None:
        """Return the statistics kept beside the pixels."""
        if self._pyramid is None:
            return None
        return Record(self._pyramid.path).statistics(self.provenance)

    def failed(self) -> set[tuple[int, int]]:
        """Return the tiles known to have failed."""
        if self._pyramid is not None:
            return set(Record(self._pyramid.path).failures())
        listed = self.provenance.get("failed_tiles", [])
        places = [str(item).partition(":")[0].split(",") for item in listed]
        return {(int(row), int(col)) for row, col in places}

    def altered(self) -> tuple[str, ...]:
        """Return the tiles that differ from the checksums of the finished export."""
        sealed = None if self._pyramid is None else Record(self._pyramid.path).sealed()
        if self._pyramid is None or sealed is None:
            return ()
        now = checksums(self._pyramid)
        return tuple(sorted(t for t in sealed.keys() | now.keys() if sealed.get(t) != now.get(t)))

    def has(self, row: int, col: int) -> bool:
        """Return whether a tile was written."""
        return self._pyramid is None or self._pyramid.has_tile(row, col)

    def read(self, y: int, x: int, h: int, w: int) -> NDArray[np.uint8]:
        """Return pixels of level 0, (h, w, 3)."""
        if self._pyramid is not None:
            return self._pyramid.read(0, y, x, h, w)
        assert self._slide is not None
        return self._slide.source.read(0, y, x, h, w)[0]


def verify_output(
    out: Path, slide: Slide, model: Model, *, n: int = 8, cache: Path | None = None,
    progress: Callable[[int, int], None] = ignore, cancelled: Callable[[], bool] = never,
) -> VerifyReport:  # fmt: skip
    """Make ``n`` tiles again from the provenance and compare; check every tile's checksum.

    Parameters
    ----------
    out
        OME-Zarr folder or OME-TIFF written by `translate_slide`.
    slide
        What it is said to be made from; the scale in the provenance is used.
    model
        See `model_of`.
    n
        Tiles to make again, spread over the slide, those with tissue first.

    Raises
    ------
    Cancelled
        If ``cancelled`` said so.
    ExportError
        If the output is none of ours.
    """
    output = Output(out)
    named = output.provenance
    if named["slide"]["fingerprint"] != slide.fingerprint:
        return VerifyReport(False, f"{out.name} was made from another slide than {slide.name}.")
    if named["model"]["weights"] != model.weights_hash:
        return VerifyReport(False, f"{out.name} was made with other weights.")
    if named.get("algorithm") != ALGORITHM:
        return VerifyReport(False, f"{out.name} was made by {named.get('software')}, not by this.")
    altered = output.altered()
    translator = _again(output, slide, model, cache)
    translator.prepare(cancelled=cancelled)
    exact = _same_arithmetic(named, translator)
    differing = []
    places = list(_places(output, translator, n))
    for done, place in enumerate(places, start=1):
        gap = _gap(output, translator, place, exact, cancelled)
        if gap:
            differing.append(f"{place[0]}, {place[1]}: {gap}")
        progress(done, len(places))
    return _judged(output.name, len(places), tuple(differing), altered, exact)


def model_of(out: Path, library: Library) -> Model:
    """Return the library's model with the weights that an output names.

    Raises
    ------
    ModelError
        If the library has none.
    """
    named = Output(out).provenance["model"]
    for entry in library.list():
        if entry.card is not None and entry.card.weights_sha256 == named["weights"]:
            return library.get(str(entry.folder))
    raise ModelError(
        f"{out.name} was made with model {named['name']!r}, whose weights are not in the library; "
        "name its folder with --model."
    )


def tiff_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance in an OME-TIFF's description, empty where there is none."""
    try:
        with tifffile.TiffFile(path) as tiff:
            text = tiff.ome_metadata or ""
    except (OSError, tifffile.TiffFileError, ValueError) as error:
        raise ExportError(f"{path.name} cannot be read: {error}.") from error
    if not text:
        return {}
    try:
        found = ElementTree.fromstring(text).find(".//{*}Description")
        content = json.loads(found.text or "") if found is not None else {}
    except (ElementTree.ParseError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _again(output: Output, slide: Slide, model: Model, cache: Path | None) -> Translator:
    named = output.provenance
    words = named["settings"]
    mpp = float(named["slide"]["mpp"])
    same = slide if slide.mpp == mpp else slide.with_mpp(mpp)
    mode = "slide" if words["statistics"] == "none" else words["statistics"]
    tile, measured = int(words["tile"]), output.statistics()
    try:
        return Translator(
            model, same, device=words["device"], backend=words["backend"],
            precision=words["precision"], statistics=mode, tile=tile, cache=cache,
            measured=measured,
        )  # fmt: skip
    except UsageError:
        return Translator(model, same, statistics=mode, tile=tile, cache=cache, measured=measured)


def _same_arithmetic(named: dict[str, Any], translator: Translator) -> bool:
    return bool(named["key"] == translator.key)


def _places(output: Output, translator: Translator, n: int) -> Iterator[tuple[int, int]]:
    """Yield up to n written tiles, spread evenly, those with pixels of their own first."""
    grid = translator.grid
    failed, blank, found = output.failed(), [], 0
    for index in spread_order(grid.rows, grid.cols):
        row, col = divmod(int(index), grid.cols)
        if (row, col) in failed or not output.has(row, col) or found == n:
            continue
        pixels = output.read(*grid.box(row, col))
        if (pixels == pixels[0, 0]).all():
            blank.append((row, col))
            continue
        found += 1
        yield row, col
    yield from blank[: n - found]


def _gap(
    output: Output, translator: Translator, place: tuple[int, int], exact: bool,
    cancelled: Callable[[], bool],
) -> str:  # fmt: skip
    """Return the largest difference in words, or nothing where the tile agrees."""
    address = TileAddress(0, *place)
    block = translator.group(address)
    tile = translator.compute(translator.load(block), cancelled)[address]
    if isinstance(tile, TileFailure):
        return f"cannot be made again ({tile.reason})"
    stored = output.read(*translator.grid.box(*place)).astype(np.int16)
    difference = np.abs(stored - tile[..., :3])
    within = np.mean(difference <= TOLERANCE) >= SHARE
    agrees = not difference.any() if exact else within
    return "" if agrees else f"up to {difference.max()} grey levels"


def _judged(
    name: str, checked: int, differing: tuple[str, ...], altered: tuple[str, ...], exact: bool
) -> VerifyReport:
    if altered:
        reason = f"{len(altered)} tiles of {name} changed after it was finished."
    elif differing:
        reason = f"{len(differing)} of {checked} tiles of {name} differ when made again."
    else:
        how = "byte for byte" if exact else "within tolerance, on another device"
        reason = f"{checked} tiles of {name} made again agree {how}."
    return VerifyReport(not altered and not differing, reason, checked, differing, altered, exact)
