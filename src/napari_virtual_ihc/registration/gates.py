"""What is refused, each with one sentence: slides without tissue, swapped, alien, absurd maps."""

from __future__ import annotations

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

LEAST_AGREEING, LEAST_KEPT = 0.28, 0.2
_MOST_LOST = 0.75
_FRAME_NODES = 64
_FEWEST_SQUARES = 8
_LEAST_OVERLAP = 0.3
_LEAST_TISSUE = 0.005
_MOST_STRETCH = 1.35
_SCALES = 0.35, 2.9
_SURE_SCALES = 0.8, 1.25
_OVERVIEW_PX = 512


def require_tissue(slide: Slide, view: View) -> None:
    """Refuse a slide that shows no tissue, or nothing but one even tone."""
    share = float(view.tissue.mean())
    even = share > 0 and float(view.grey[view.tissue].std()) < 1e-3
    if share < _LEAST_TISSUE or even:
        raise RegistrationError(
            f"{slide.name} shows no tissue ({100 * share:.1f} % of it); there is nothing to align."
        )


def require_order(fixed: Slide, moving: Slide) -> None:
    """Refuse an IHC slide as fixed with an H&E slide as moving."""
    kinds = [stain_kind(slide.thumbnail(_OVERVIEW_PX)[0]) for slide in (fixed, moving)]
    if kinds == ["ihc", "he"]:
        raise RegistrationError(
            f"{fixed.name} looks like IHC and {moving.name} like H&E; the H&E is the fixed slide, "
            "so give them in the other order."
        )


def objection(affine: Affine, evidence: Evidence) -> str:
    """Return why a map is not believable, as the end of a sentence; empty where it is."""
    if absurd := absurdity(affine):
        return f"the best fit {absurd}"
    if evidence.squares < _FEWEST_SQUARES:
        return f"only {evidence.squares} squares of tissue could be compared"
    if evidence.overlap < _LEAST_OVERLAP:
        return f"only {100 * evidence.overlap:.0f} % of the tissue overlaps in the best fit"
    if evidence.agreeing < LEAST_AGREEING:
        return (
            f"only {100 * evidence.agreeing:.0f} % of the squares agree on any fit "
            f"({100 * LEAST_AGREEING:.0f} % are needed)"
        )
    return ""


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


def doubts(agreeing: float, before: float | None = None) -> tuple[str, ...]:
    """Return a sentence where few squares agree with a map, or far fewer than with the last one."""
    weak, told = agreeing < LEAST_KEPT, f"{100 * agreeing:.0f} % of the squares agree"
    if before is not None and agreeing < _MOST_LOST * before:
        return (f"{told}, before {100 * before:.0f} %: look at it before you trust it.",)
    need = f"Only {told}, own fits need {100 * LEAST_KEPT:.0f} %: look at it before you trust it."
    return (need,) if weak else ()


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
