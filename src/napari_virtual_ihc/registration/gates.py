"""What is refused, each with one sentence: slides without tissue, swapped, alien, absurd maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration.affine import shape_of
from napari_virtual_ihc.stains.identity import stain_kind

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.evidence import Evidence
    from napari_virtual_ihc.registration.mapping import Mapping, Size
    from napari_virtual_ihc.registration.view import View
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.stains.identity import StainKind

LEAST_TRIED, LEAST_KEPT, SURE = 0.19, 0.12, 0.28
"""Share of squares, were they many, that agree with a field fitted to part of them, with the map
that is returned, and with a field on a map about which there is no doubt; see `needed`."""
_SQUARES_IN_ONE = 4
_MOST_LOST = 0.75
_LOOK = "Look at it before you trust it."
_LIKE_HE: list[StainKind] = ["ihc", "unknown", "he"]
_FRAME_NODES = 64
_FEWEST_SQUARES = 8
_LEAST_OVERLAP = 0.3
_LEAST_TISSUE = 0.005
_MOST_STRETCH = 1.35
_SCALES = 0.35, 2.9
_SURE_SCALES = 0.8, 1.25
_OVERVIEW_PX = 512


def require_tissue(name: str, view: View) -> None:
    """Refuse the slide of a name that shows no tissue, or nothing but one even tone."""
    share = float(view.tissue.mean())
    even = share > 0 and float(view.grey[view.tissue].std()) < 1e-3
    if share < _LEAST_TISSUE or even:
        raise RegistrationError(
            f"{name} shows no tissue ({100 * share:.1f} % of it); there is nothing to align."
        )


def names(fixed: Slide, moving: Slide) -> tuple[str, str]:
    """Return what to call two slides in one sentence, also where their files are of one name."""
    if fixed.name != moving.name:
        return fixed.name, moving.name
    return f"{fixed.name} (fixed)", f"{moving.name} (moving)"


def order_remarks(fixed: Slide, moving: Slide) -> tuple[str, ...]:
    """Refuse one picture twice, and IHC as fixed with H&E as moving; say what only seems wrong."""
    kinds = [stain_kind(slide.thumbnail(_OVERVIEW_PX)[0]) for slide in (fixed, moving)]
    first, second = names(fixed, moving)
    if fixed.fingerprint == moving.fingerprint:
        raise RegistrationError(f"{first} and {second} are the same picture; give the real IHC.")
    if kinds == ["he", "he"]:
        return (f"{second} looks like H&E; is it the real IHC?",)
    if kinds == ["ihc", "he"]:
        raise RegistrationError(
            f"{first} looks like IHC and {second} like H&E; the H&E is the fixed slide, "
            "so give them in the other order."
        )
    if _LIKE_HE.index(kinds[0]) < _LIKE_HE.index(kinds[1]):
        return (f"{first} looks less like H&E than {second}; is the H&E the fixed slide?",)
    return ()


def needed(least: float, squares: int) -> float:
    """Return which share of so many squares must agree for ``least`` to be surpassed, 0 to 1.

    The fewer squares, the more of them agree by chance: Wilson's upper bound at one standard
    error (J. Am. Stat. Assoc. 22, 1927). Squares overlap by half both ways; four count as one.
    """
    count = max(squares, 1) / _SQUARES_IN_ONE
    spread = math.sqrt(least * (1 - least) / count + 1 / (4 * count**2))
    return (least + 1 / (2 * count) + spread) / (1 + 1 / count)


def margin(evidence: Evidence, least: float) -> float:
    """Return by how much the share of squares that agree surpasses what is `needed`."""
    return evidence.agreeing - needed(least, evidence.squares)


def objection(affine: Affine, evidence: Evidence, least: float = LEAST_TRIED) -> str:
    """Return why a map is not believable, as the end of a sentence; empty where it is.

    Parameters
    ----------
    affine
        Fixed µm → moving µm.
    evidence
        What speaks for it.
    least
        Share of squares that must agree, were they many.
    """
    if absurd := absurdity(affine):
        return f"the best fit {absurd}"
    if evidence.squares < _FEWEST_SQUARES:
        return f"only {evidence.squares} squares of tissue could be compared"
    if evidence.overlap < _LEAST_OVERLAP:
        return f"only {100 * evidence.overlap:.0f} % of the tissue overlaps in the best fit"
    if margin(evidence, least) < 0:
        return f"only {_told(evidence)} agree on any fit ({_least(evidence, least)})"
    return ""


def _told(evidence: Evidence) -> str:
    return f"{100 * evidence.agreeing:.1f} % of {evidence.squares} squares"


def _least(evidence: Evidence, least: float) -> str:
    return f"{100 * needed(least, evidence.squares):.1f} % are needed"


def absurdity(affine: Affine) -> str:
    """Return what a map does that no pair of sections does, as the end of a sentence, or empty."""
    shape = shape_of(affine)
    if not _SCALES[0] < shape.scale < _SCALES[1]:
        return f"scales by {shape.scale:.3g}, which no pair of sections does"
    if shape.stretch > _MOST_STRETCH:
        return f"stretches by {shape.stretch:.3g}, which no section does"
    return ""


def common_share(mapping: Mapping, fixed_um: Size, moving_um: Size) -> float:
    """Return which share of the smaller slide, glass included, a map lays onto the other, 0 to 1.

    Parameters
    ----------
    mapping
        Fixed µm → moving µm.
    fixed_um, moving_um
        Height and width of each slide.
    """
    axes = [(np.arange(_FRAME_NODES) + 0.5) / _FRAME_NODES * side for side in fixed_um]
    places = mapping.apply(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    on_moving = ((places >= 0) & (places <= moving_um)).all(axis=-1).mean()
    area = np.prod(moving_um) / shape_of(mapping.affine).scale ** 2
    return float(min(on_moving * max(np.prod(fixed_um) / area, 1.0), 1.0))


def weakness(evidence: Evidence) -> tuple[str, ...]:
    """Return a sentence where a fit is believed, but not much spoke for it."""
    if margin(evidence, SURE) >= 0:
        return ()
    return (
        f"A weak fit: {_told(evidence)} agree with a field fitted to part of them "
        f"({_least(evidence, LEAST_TRIED)}). {_LOOK}",
    )


def doubts(evidence: Evidence, before: float | None = None) -> tuple[str, ...]:
    """Return a sentence where few squares agree with a map, or far fewer than the share before."""
    if before is not None and evidence.agreeing < _MOST_LOST * before:
        return (f"{_told(evidence)} agree, before {100 * before:.1f} %. {_LOOK}",)
    if margin(evidence, LEAST_KEPT) >= 0:
        return ()
    return (f"Only {_told(evidence)} agree ({_least(evidence, LEAST_KEPT)}). {_LOOK}",)


def remarks(moving: Slide, affine: Affine) -> tuple[str, ...]:
    """Return what the user should know of a map that stands: mirrored, or of another scale."""
    shape, said = shape_of(affine), []
    if shape.mirrored:
        said.append(f"{moving.name} is mirrored: its section lies on the other side.")
    if not _SURE_SCALES[0] < shape.scale < _SURE_SCALES[1]:
        said.append(
            f"{moving.name} is laid at {shape.scale:.2f} times its stated scale; check its µm/px."
        )
    return tuple(said)


def folds(mapping: Mapping) -> bool:
    """Return whether a field folds: a change of area of 0 or less in a corner of any of its cells.

    Within a cell, between four nodes, the field is bilinear and so bends least and most there.
    """
    field = mapping.field
    if field is None:
        return False
    low = field.nodes()[:-1, :-1]
    step = min(field.spacing) / 32
    places = [
        low + np.array([y, x]) * np.array(field.spacing)
        for y in (1 / 16, 15 / 16)
        for x in (1 / 16, 15 / 16)
    ]
    return bool((mapping.jacobian(np.stack(places), step) <= 0).any())
