"""Whether an output is what its provenance says: made again, tile by tile, and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure, never
from napari_virtual_ihc.translation.calibration import ignore
from napari_virtual_ihc.translation.identity import ALGORITHM
from napari_virtual_ihc.translation.output import Output
from napari_virtual_ihc.translation.plan import asked_for
from napari_virtual_ihc.translation.sampling import Sampling
from napari_virtual_ihc.translation.sites import spread_order
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.slide import Slide

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
    if named["model"].get("reference_test_mode", False) != model.card.reference_test_mode:
        return VerifyReport(False, f"{out.name} was made with another reference_test_mode.")
    if named.get("algorithm") != ALGORITHM:
        return VerifyReport(False, f"{out.name} was made by {named.get('software')}, not by this.")
    altered = output.altered()
    translator = _again(output, slide, model, cache)
    translator.prepare(cancelled=cancelled)
    exact = _same_arithmetic(named, translator)
    differing = []
    places = list(_places(output, translator, n, altered))
    for done, place in enumerate(places, start=1):
        gap = _gap(output, translator, place, exact, cancelled)
        if gap:
            differing.append(f"{place[0]}, {place[1]}: {gap}")
        progress(done, len(places))
    report = _judged(output.name, len(places), tuple(differing), altered, exact)
    return _unfinished(report, output)


def _unfinished(report: VerifyReport, output: Output) -> VerifyReport:
    """Return the report of an export that was cut short: what is there may agree, it does not."""
    counts = output.unfinished()
    if counts is None:
        return report
    made, wanted = counts
    sentence = f"{output.name} was not finished: {made} of the {wanted} tiles asked for are there."
    return replace(report, agrees=False, reason=f"{sentence} {report.reason}")


def model_of(out: Path, library: Library) -> Model:
    """Return the library's model with the weights that an output names.

    Raises
    ------
    ModelError
        If the library has none.
    """
    named = Output(out).provenance["model"]
    for entry in library.list():
        card = entry.card
        if card is None or card.weights_sha256 != named["weights"]:
            continue
        if card.reference_test_mode == named.get("reference_test_mode", False):
            return library.get(str(entry.folder))
    raise ModelError(
        f"{out.name} was made with model {named['name']!r}, whose weights are not in the library; "
        "name its folder with --model."
    )


def _again(output: Output, slide: Slide, model: Model, cache: Path | None) -> Translator:
    named = output.provenance
    words = named["settings"]
    mpp = float(named["slide"]["mpp"])
    same = slide if slide.mpp == mpp else slide.with_mpp(mpp)
    mode = asked_for(words["statistics"])
    tile, measured = int(words["tile"]), output.statistics()
    sampling = Sampling(**words["sampler"]["chosen"]) if "sampler" in words else None
    again = partial(
        Translator, model, same, statistics=mode, tile=tile, sampling=sampling, cache=cache,
        measured=measured,
    )  # fmt: skip
    try:
        return again(device=words["device"], backend=words["backend"], precision=words["precision"])
    except UsageError:
        return again()


def _same_arithmetic(named: dict[str, Any], translator: Translator) -> bool:
    return bool(named["key"] == translator.key)


def _places(
    output: Output, translator: Translator, n: int, altered: tuple[str, ...]
) -> Iterator[tuple[int, int]]:
    """Yield up to n written tiles, spread evenly, those with pixels of their own first."""
    grid = translator.grid
    failed, blank, found = output.failed(), [], 0
    for index in spread_order(grid.rows, grid.cols):
        row, col = divmod(int(index), grid.cols)
        if found == n:
            return
        if (row, col) in failed or f"0/{row}/{col}" in altered or not output.has(row, col):
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
