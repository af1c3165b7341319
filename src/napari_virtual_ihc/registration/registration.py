"""What a registration is: a map from an H&E slide to another section, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration.affine import shape_of

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.placement import Placement
    from napari_virtual_ihc.slides.slide import Slide

Stage = Literal["coarse", "affine", "elastic", "given", "hand", "landmarks"]
Source = Literal["automatic", "given", "hand", "landmarks"]


@dataclass(frozen=True)
class StageResult:
    """One stage: whether it was taken, and why.

    Attributes
    ----------
    name
        Which stage.
    before, after
        Mean correlation of squares without and with it, −1 to 1; None where it was not measured.
    accepted
        Whether it stands.
    why
        One sentence.
    mapping
        The map after it, to look at; None where it was not kept.
    """

    name: Stage
    before: float | None
    after: float | None
    accepted: bool
    why: str
    mapping: Mapping | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Section:
    """Which slide was registered.

    Attributes
    ----------
    fingerprint
        Its content's name.
    shape
        Height and width of level 0 in px.
    mpp
        µm/px of level 0.
    """

    fingerprint: str
    shape: tuple[int, int]
    mpp: float

    @classmethod
    def of(cls, slide: Slide) -> Section:
        """Describe a slide; raises MissingScaleError where its scale is not known."""
        return cls(slide.fingerprint, slide.shape, slide.require_mpp())


@dataclass(frozen=True, eq=False)
class Registration:
    """The moving slide laid onto the fixed one, the H&E.

    Attributes
    ----------
    mapping
        Fixed µm → moving µm.
    fixed, moving
        The slides it holds for.
    stages
        What was tried, in order.
    agreeing
        Share of squares that, free to move, agree with the map, 0 to 1; None where it was given.
    notes
        Sentences the user should see.
    placement
        What people decided that this comes to, pairs that only measure included; None where they
        decided nothing.
    """

    mapping: Mapping
    fixed: Section
    moving: Section
    stages: tuple[StageResult, ...] = ()
    agreeing: float | None = None
    notes: tuple[str, ...] = ()
    placement: Placement | None = field(default=None, repr=False)

    @property
    def stage(self) -> Stage:
        """The last stage that stands."""
        accepted = [stage.name for stage in self.stages if stage.accepted]
        return accepted[-1] if accepted else "given"

    @property
    def source(self) -> Source:
        """Who decided last where the moving slide lies."""
        stage = self.stage
        return stage if stage in ("given", "hand", "landmarks") else "automatic"

    @property
    def mirrored(self) -> bool:
        """Whether the moving section lies on its other side."""
        return shape_of(self.mapping.affine).mirrored

    def to_moving(self, points_um: Points) -> Points:
        """Return where points (..., 2) in fixed µm lie on the moving slide, in µm."""
        return self.mapping.apply(points_um)

    def to_fixed(self, points_um: Points) -> Points:
        """Return where points (..., 2) in moving µm lie on the fixed slide, in µm."""
        return self.mapping.inverse_at(points_um)

    def require(self, fixed: Slide | None = None, moving: Slide | None = None) -> None:
        """Refuse slides that are not those registered.

        Raises
        ------
        RegistrationError
            Naming the slide whose content or scale is another.
        """
        for part, slide, section in (("fixed", fixed, self.fixed), ("moving", moving, self.moving)):
            if slide is None:
                continue
            if slide.fingerprint != section.fingerprint:
                raise RegistrationError(f"{slide.name} is not the {part} slide registered.")
            if abs(slide.require_mpp() / section.mpp - 1) > 0.001:
                raise RegistrationError(
                    f"{slide.name} was registered at {section.mpp:.4g} µm/px, not "
                    f"{slide.mpp:.4g}; give the same scale."
                )
