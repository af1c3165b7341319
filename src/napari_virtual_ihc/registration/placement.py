"""Where people want the moving slide: a map, moved by hand, then corrected by marked pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.gates import doubts, remarks
from napari_virtual_ihc.registration.landmark_fit import LEAST, Way, fit_landmarks, left_out_errors
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.registration import Registration, Section, StageResult

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Affine, Points
    from napari_virtual_ihc.registration.judge import Judge
    from napari_virtual_ihc.registration.registration import Stage
    from napari_virtual_ihc.slides.slide import Slide

_NODES = 97


@dataclass(frozen=True)
class Pose:
    """How far the moving slide was moved by hand, as it lies on the fixed one.

    Attributes
    ----------
    down_um, right_um
        Shift of what lay at the centre of the fixed slide.
    turn_deg
        Counter-clockwise as seen.
    scale
        Times as large.
    mirrored
        Left and right changed sides before it was turned.
    """

    down_um: float = 0.0
    right_um: float = 0.0
    turn_deg: float = 0.0
    scale: float = 1.0
    mirrored: bool = False

    def affine(self, fixed: Section) -> Affine:
        """Return the movement, fixed µm → fixed µm."""
        centre = _centre(fixed)
        onto = centre + np.array([self.down_um, self.right_um])
        return affine_map.similarity(self.turn_deg, self.mirrored, self.scale, centre, onto)

    @classmethod
    def of(cls, affine: Affine, fixed: Section) -> Pose:
        """Return the pose that a similarity, fixed µm → fixed µm, amounts to."""
        shape, centre = affine_map.shape_of(affine), _centre(fixed)
        down, right = affine_map.apply(affine, centre) - centre
        return cls(float(down), float(right), shape.angle_deg, shape.scale, shape.mirrored)


REST = Pose()


@dataclass(frozen=True, eq=False)
class Placement:
    """All that decides where the moving slide lies; what it comes to is :func:`registration_of`.

    Attributes
    ----------
    base
        The map found before, or the two laid centre on centre.
    pose
        How it was moved by hand.
    marked
        The pairs.
    way
        What the pairs do.
    """

    base: Registration
    pose: Pose = REST
    marked: Landmarks = field(default_factory=Landmarks)
    way: Way = "correct"

    def by_hand(self) -> Mapping:
        """Return the base as it was moved by hand."""
        if self.pose == REST:
            return self.base.mapping
        return moved(self.base.mapping, self.pose.affine(self.base.fixed), self.base.fixed)

    def by_people(self) -> bool:
        """Whether anything was moved or a whole pair marked."""
        return self.pose != REST or self.marked.count > 0

    def decided_by_pairs(self) -> bool:
        """Whether pairs are in force."""
        return self.way != "measure" and self.marked.count >= LEAST[self.way]

    def errors(self) -> list[float]:
        """Return each pair's distance, µm of the moving slide, from a map made without it."""
        found: list[float] = left_out_errors(self.marked, self.way, self.by_hand()).tolist()
        return found


def medians(placement: Placement) -> dict[Way, float]:
    """Return the median error, µm, of pairs left out, for each way to use them; NaN for none."""
    return {way: _median(replace(placement, way=way).errors()) for way in get_args(Way)}


def _median(errors: list[float]) -> float:
    known = [error for error in errors if np.isfinite(error)]
    return float(np.median(known)) if known else float("nan")


def registration_of(placement: Placement, judge: Judge) -> Registration:
    """Return the registration that a placement comes to, judged anew.

    Raises
    ------
    RegistrationError
        Where its pairs contradict each other, see ``fit_landmarks``.
    """
    base, mapping = placement.base, placement.by_hand()
    stages = base.stages
    if placement.pose != REST:
        words = _pose_words(placement.pose)
        stages += (_judged("hand", judge, base.mapping, mapping, words),)
    if placement.decided_by_pairs():
        fitted = fit_landmarks(placement.marked, placement.way, mapping, _size(base.fixed))
        stages += (_judged("landmarks", judge, mapping, fitted, _pair_words(placement)),)
        mapping = fitted
    if stages == base.stages:
        return replace(base, placement=placement) if placement.by_people() else base
    evidence = judge.evidence(mapping)
    notes = remarks(judge.moving, mapping.affine) + doubts(evidence, base.agreeing)
    return Registration(
        mapping, base.fixed, base.moving, stages, evidence.agreeing, notes, placement
    )  # fmt: skip


def laid_centred(fixed: Slide, moving: Slide) -> Registration:
    """Return two slides laid centre on centre, to begin with where nothing was found."""
    sections = Section.of(fixed), Section.of(moving)
    shift = _centre(sections[1]) - _centre(sections[0])
    mapping = Mapping(np.column_stack([np.eye(2), shift]))
    notes = (f"{moving.name} is laid centre on centre of {fixed.name}; it is not registered.",)
    return Registration(mapping, *sections, notes=notes)


def moved(mapping: Mapping, by: Affine, fixed: Section) -> Mapping:
    """Return the map of the moving slide after what is seen of it was moved ``by`` (fixed µm)."""
    back = affine_map.inverse(by)
    affine = affine_map.compose(mapping.affine, back)
    old = mapping.field
    if old is None:
        return Mapping(affine)
    field = Field.sampled(lambda at: old.at(affine_map.apply(back, at)), _size(fixed), _NODES)
    return Mapping(affine, field)


def turned(pose: Pose, by: Affine, fixed: Section) -> Pose:
    """Return a pose after one more movement, a similarity fixed µm → fixed µm."""
    return Pose.of(affine_map.compose(by, pose.affine(fixed)), fixed)


def _judged(name: Stage, judge: Judge, before: Mapping, after: Mapping, why: str) -> StageResult:
    likeness = judge.likeness(before), judge.likeness(after)
    return StageResult(name, *likeness, True, why, after)


def _pose_words(pose: Pose) -> str:
    down, right = round(pose.down_um), round(pose.right_um)
    parts = [
        f"{abs(down)} µm {'down' if down >= 0 else 'up'}",
        f"{abs(right)} µm {'right' if right >= 0 else 'left'}",
    ]
    parts += ["flipped"] if pose.mirrored else []
    parts += [f"turned {pose.turn_deg:.1f}°"] if abs(pose.turn_deg) >= 0.05 else []
    parts += [f"scaled {pose.scale:.3f}"] if abs(pose.scale - 1) >= 5e-4 else []
    return "Moved " + ", ".join(parts) + "."


def _pair_words(placement: Placement) -> str:
    what = {
        "correct": "correct the map", "affine": "alone give an affine map",
        "elastic": "alone give an affine map and meet every pair",
    }[placement.way]  # fmt: skip
    count = placement.marked.count
    if count == 1:
        return "1 marked pair corrects the map."
    return f"{count} marked pairs {what}."


def _centre(section: Section) -> Points:
    return np.array(_size(section)) / 2


def _size(section: Section) -> tuple[float, float]:
    return section.shape[0] * section.mpp, section.shape[1] * section.mpp
