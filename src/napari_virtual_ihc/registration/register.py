"""Lay a section onto the H&E in stages, each of which must beat the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration import gates
from napari_virtual_ihc.registration.affine import identity
from napari_virtual_ihc.registration.coarse import starts
from napari_virtual_ihc.registration.elastic import refine_elastic
from napari_virtual_ihc.registration.evidence import evidence_for
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.refine import Level, refine_affine
from napari_virtual_ihc.registration.registration import Registration, Section, StageResult
from napari_virtual_ihc.registration.similarity import likeness
from napari_virtual_ihc.registration.view import views_of
from napari_virtual_ihc.registration.withheld import withheld_likeness, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.evidence import Evidence
    from napari_virtual_ihc.registration.view import View
    from napari_virtual_ihc.slides.slide import Slide

    Report = Callable[[int, int], None]

_COARSE_PX = 128
_KEPT = 4
_OTHER_SCALES = (0.4, 0.5, 0.63, 0.8, 1.25, 1.6, 2.0, 2.5)
_HALF_AND_TWICE = (0.5, 2.0)
_AFFINE = (Level(160, 48, 8, 12, 3),)
_FINER = (Level(320, 64, 16, 12, 2), Level(320, 48, 12, 12, 3))
_ELASTIC = (Level(160, 40, 8, 12, 2), Level(320, 40, 10, 12, 2), Level(640, 56, 14, 10, 1))
_STIFFNESSES = (1.0, 10.0)
_TRIAL = (Level(320, 40, 10, 16, 2),)
_EVERY = 3
_STAYS = "The slides lie right as they were scanned."
_POSED = "The best of all poses once refined; its likeness is that of the pose still rough."


class Candidate(NamedTuple):
    """A start, the affine map it led to, a field fitted to part of the squares, and the evidence.

    The field is there to judge by: sections of one tissue agree with it, others with none.
    """

    start: Affine
    affine: Affine
    trial: Mapping
    evidence: Evidence


def register(
    fixed: Slide, moving: Slide, report: Report = lambda done, total: None
) -> Registration:
    """Register a moving slide, the IHC, onto a fixed one, the H&E.

    Any rotation, either side and, where the stated scales do not fit, other scales are tried.
    The same slides give the same result.

    Parameters
    ----------
    fixed, moving
        Slides of known scale.
    report
        Told how many of the coarse search's poses are done, of how many; may raise Cancelled.

    Raises
    ------
    MissingScaleError
        Where a scale is not known.
    RegistrationError
        Where a slide shows no tissue, the order is wrong, or no fit is believable.
    """
    views = views_of(fixed, moving)
    names = gates.names(fixed, moving)
    for name, view in zip(names, views, strict=True):
        gates.require_tissue(name, view)
    order = gates.order_remarks(fixed, moving)
    best = _best(*views, report)
    _require_fit(names, gates.objection(best.affine, best.evidence))
    mapping, last = _elastic_stage(*views, best)
    evidence = evidence_for(*views, mapping)
    _require_fit(names, gates.objection(mapping.affine, evidence, gates.LEAST_KEPT))
    notes = (*order, *gates.remarks(moving, best.affine), *gates.weakness(best.evidence))
    return Registration(
        mapping, Section.of(fixed), Section.of(moving), (*_first_stages(*views, best), last),
        evidence.agreeing, notes,
    )  # fmt: skip


def _require_fit(names: tuple[str, str], reason: str) -> None:
    if reason:
        raise RegistrationError(f"{names[1]} does not fit {names[0]}: {reason}.")


def _best(fixed: View, moving: View, report: Report) -> Candidate:
    """Return the best candidate at the stated scale; where there is doubt, at any."""
    best = _at_scales(fixed, moving, (1.0,), report)
    believed = not gates.objection(best.affine, best.evidence)
    if believed and gates.margin(best.evidence, gates.SURE) >= 0:
        return best
    other = _at_scales(fixed, moving, _HALF_AND_TWICE if believed else _OTHER_SCALES, report)
    return max(best, other, key=_merit)


def _at_scales(fixed: View, moving: View, scales: tuple[float, ...], report: Report) -> Candidate:
    longest = max(max(fixed.shape), max(moving.shape))
    coarse = fixed.mpp * longest / _COARSE_PX
    found = starts(fixed.coarser(coarse), moving.coarser(coarse), _KEPT, scales, report)
    poses = [start.affine for start in found]
    if 1.0 in scales and _lying(fixed, moving) is not None:
        poses.insert(0, identity())
    refined = [(pose, _better(fixed, moving, pose, _AFFINE[0])) for pose in poses]
    start, affine = max(
        refined, key=lambda pair: evidence_for(fixed, moving, Mapping(pair[1])).agreeing
    )
    for level in _FINER:
        affine = _better(fixed, moving, affine, level)
    trial = refine_elastic(without(fixed, _EVERY, (1, 1))[1], moving, affine, _TRIAL)
    return Candidate(start, affine, trial, evidence_for(fixed, moving, trial))


def _lying(fixed: View, moving: View) -> float | None:
    """Return the likeness of the slides corner on corner; None where they do not overlap."""
    return likeness(fixed, moving, Mapping(identity())).known


def _better(fixed: View, moving: View, affine: Affine, level: Level) -> Affine:
    """Return the map refined at a level, or the one given where squares look no more alike."""
    refined = refine_affine(fixed, moving, affine, (level,))
    before, after = (likeness(fixed, moving, Mapping(one)).mean for one in (affine, refined))
    return refined if after > before else affine


def _merit(candidate: Candidate) -> tuple[bool, float]:
    believable = not gates.objection(candidate.affine, candidate.evidence)
    return believable, gates.margin(candidate.evidence, gates.LEAST_TRIED)


def _first_stages(fixed: View, moving: View, best: Candidate) -> tuple[StageResult, StageResult]:
    before, after = (
        likeness(fixed, moving, Mapping(affine)).mean for affine in (best.start, best.affine)
    )
    why = _STAYS if np.array_equal(best.start, identity()) else _POSED
    lying = _lying(fixed, moving)
    coarse = StageResult("coarse", lying, before, True, why, Mapping(best.start))
    if after <= before:
        why = "It makes squares no more alike; the coarse map stands."
        return coarse, StageResult("affine", before, after, False, why)
    share = 100 * best.evidence.agreeing
    why = f"{share:.0f} % of the squares agree with a field on it, fitted to part of them."
    return coarse, StageResult("affine", before, after, True, why, Mapping(best.affine))


def _elastic_stage(fixed: View, moving: View, best: Candidate) -> tuple[Mapping, StageResult]:
    """Take the field if it helps squares it was not fitted to and folds nowhere.

    It is as stiff as helps them most: sections that share little detail bear only a smooth one.
    """
    affine = Mapping(best.affine)
    before, *fields = withheld_likeness(fixed, moving, best.affine, _STIFFNESSES)
    after, stiffness = max(zip(fields, _STIFFNESSES, strict=True))
    if after <= before:
        why = "It does not help squares it was not fitted to; the affine map stands."
        return affine, StageResult("elastic", before, after, False, why)
    mapping = refine_elastic(fixed, moving, best.affine, _ELASTIC, stiffness)
    if gates.folds(mapping):
        why = "Its field would fold the section; the affine map stands."
        return affine, StageResult("elastic", before, after, False, why)
    why = "It helps squares it was not fitted to and folds nowhere."
    return mapping, StageResult("elastic", before, after, True, why, mapping)
