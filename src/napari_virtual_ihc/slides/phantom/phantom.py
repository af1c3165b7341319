"""A synthetic pair of serial sections with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.slides.phantom.architecture import Architecture
from napari_virtual_ihc.slides.phantom.cells import Population
from napari_virtual_ihc.slides.phantom.optics import Optics
from napari_virtual_ihc.slides.phantom.parameters import DEFAULTS, marker_model
from napari_virtual_ihc.slides.phantom.render import Scene
from napari_virtual_ihc.slides.phantom.section import Deformation
from napari_virtual_ihc.slides.phantom.source import PhantomSource
from napari_virtual_ihc.slides.phantom.truth import (
    SQUARE_UM,
    Squares,
    Window,
    assemble,
    dab_of,
    measure,
    tumour_of,
)
from napari_virtual_ihc.slides.slide import Slide

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.fields import Fields
    from napari_virtual_ihc.slides.phantom.noise import Grid
    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters, Section
    from napari_virtual_ihc.slides.phantom.source import Stain

_FINEST, _COARSEST = 0.1, 1.0


@dataclass(frozen=True)
class PhantomSlide(Slide):
    """A slide whose name follows from what it is made of, so that naming it renders nothing."""

    identity: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of seed, size, scale, marker, section and parameters."""
        return self.identity


@dataclass(frozen=True)
class Phantom:
    """Synthetic tissue on glass, stained with H&E and for one marker, rendered when read.

    Pixels are a function of the fields below and of their place: windows, order and process do
    not matter. Level 0 and all levels up to 2.1 µm/px draw every cell at that scale; coarser
    ones are analytic (mean light of tissue). No level is a downsample of another.

    Parameters
    ----------
    seed
        Any integer of at least 0.
    height, width
        Size of level 0 in px, 64 to 200 000.
    mpp
        µm/px of level 0, 0.1 to 1.
    marker
        ``"Ki-67"``, ``"ER"``, ``"PR"`` (nuclear) or ``"HER2"`` (membrane).
    parameters
        Fixed since :data:`PHANTOM_VERSION`; change them only for studies of their own.

    Raises
    ------
    UsageError
        If a field is out of range or the marker unknown.
    """

    seed: int
    height: int
    width: int
    mpp: float = 0.5
    marker: str = "Ki-67"
    parameters: PhantomParameters = DEFAULTS

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        marker_model(self.marker)
        if not 64 <= min(self.height, self.width) <= max(self.height, self.width) <= 200_000:
            raise UsageError(
                f"A phantom is 64 to 200000 px a side, not {self.height}×{self.width}."
            )
        if not _FINEST <= self.mpp <= _COARSEST:
            raise UsageError(f"A phantom's scale is 0.1 to 1 µm/px, not {self.mpp}.")
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"A phantom's seed is 0 to 2147483647, not {self.seed}.")

    @property
    def size_um(self) -> tuple[float, float]:
        """Height and width in µm."""
        return self.height * self.mpp, self.width * self.mpp

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that name the phantom: its fields and the phantom's version."""
        fields = self.seed, self.height, self.width, self.mpp, self.marker
        return hash_of("phantom", list(fields), self.parameters.fingerprint())

    def he(self) -> Slide:
        """Return the first section stained with H&E."""
        p = self.parameters
        vectors = p.hematoxylin, p.eosin, p.red_cell
        return self._slide("he", "same", f"phantom-{self.seed}-HE", vectors, 1)

    def ihc(self, section: Section = "same") -> Slide:
        """Return the marker's IHC, of the first section or of the next one.

        The next section has part of the same cells and lies displaced by :meth:`displacement`.
        """
        if section not in ("same", "next"):
            raise UsageError(f"Section is 'same' or 'next', not {section!r}.")
        vectors = self.parameters.counterstain, self.parameters.chromogen
        name = f"phantom-{self.seed}-{self.marker}-{section}"
        return self._slide("ihc", section, name, vectors, 2 if section == "same" else 3)

    def cells(self, y_um: float, x_um: float, h_um: float, w_um: float) -> NDArray[np.void]:
        """Return the cells of the first section in a window (µm), dtype ``CELL``."""
        return self._scene("same").cells(y_um, x_um, y_um + h_um, x_um + w_um)

    def next_cells(self, y_um: float, x_um: float, h_um: float, w_um: float) -> NDArray[np.void]:
        """Return the cells of the next section in a window of its own frame (µm)."""
        return self._scene("next").cells(y_um, x_um, y_um + h_um, x_um + w_um)

    def displacement(
        self, y_um: NDArray[np.float64], x_um: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (dy, dx) in µm from the first section to the next: moving = fixed + d."""
        return self._scene("same").deformation.displacement(y_um, x_um)

    def dab(self, y: int, x: int, h: int, w: int, section: Section = "same") -> NDArray[np.float32]:
        """Return true chromogen OD (h, w), blurred by the scanner, in a window of level 0 (px)."""
        scene = self._scene(section)
        return assemble(scene, (y, x, h, w), self.mpp, lambda picture: dab_of(scene, picture))

    def tumour_mask(
        self, y: int, x: int, h: int, w: int, section: Section = "same"
    ) -> NDArray[np.bool_]:
        """Return where living tumour lies (h, w bool) in a window of level 0 (px)."""
        return assemble(self._scene(section), (y, x, h, w), self.mpp, tumour_of)

    def squares(self, windows: Sequence[Window], square_um: float = SQUARE_UM) -> Squares:
        """Return true DAB area, the ideal reader's and hematoxylin per square in windows (px)."""
        return measure(self._scene("same"), windows, self.mpp, square_um)

    def ceiling(self, windows: Sequence[Window], square_um: float = SQUARE_UM) -> float:
        """Return the agreement an ideal reader of the H&E could reach (Pearson's r).

        DAB area is the share of tumour pixels with chromogen OD of at least
        ``parameters.dab_threshold`` (0.15), per square with at least 25 % tumour.

        Raises
        ------
        DataError
            If the windows hold fewer than three such squares.
        """
        return self.squares(windows, square_um).ceiling()

    def tissue(self, grid: Grid, section: Section = "same") -> Fields:
        """Return regions and latent fields on a grid (µm)."""
        return self._scene(section).fields(grid)

    @cached_property
    def _scenes(self) -> dict[str, Scene]:
        tissue = Architecture(self.seed, *self.size_um, self.parameters)
        population = Population(self.seed, tissue, self.marker, self.parameters)
        deformation = Deformation(self.seed, *self.size_um, self.parameters)
        return {
            "same": Scene(self.seed, tissue, population, deformation, self.parameters, "same"),
            "next": Scene(self.seed, tissue, population, deformation, self.parameters, "next"),
        }

    def _scene(self, section: Section) -> Scene:
        return self._scenes[section]

    def _slide(
        self,
        stain: Stain,
        section: Section,
        name: str,
        vectors: tuple[tuple[float, float, float], ...],
        number: int,
    ) -> Slide:
        optics = Optics(self.seed * 7 + number, *self.size_um, vectors, self.parameters)
        scene = self._scene(section)
        source = PhantomSource(scene, optics, stain, self.height, self.width, self.mpp)
        return PhantomSlide(
            name,
            source,
            self.mpp,
            "phantom",
            ("Synthetic tissue: no patient, no biology.",),
            True,
            hash_of(self.fingerprint, stain, section),
        )
