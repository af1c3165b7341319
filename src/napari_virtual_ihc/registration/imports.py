"""Maps made elsewhere: affine matrices (npy, JSON) and displacement fields (npy, mha).

In µm unless told otherwise, of slides whose corner is 0: moving = affine(fixed) + field(fixed).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.files import reason
from napari_virtual_ihc.registration.affine import identity
from napari_virtual_ihc.registration.gates import absurdity, common_share, doubts, folds, remarks
from napari_virtual_ihc.registration.judge import Judge
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.metaimage import read_metaimage
from napari_virtual_ihc.registration.registration import Registration, Section, StageResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.slides.slide import Slide

_LEAST_COVER, _MOST_COVER = 0.02, 4.0
"""Of the fixed slide's height and width by a field that is made for it."""
_LEAST_COMMON = 0.05
UNITS_UM = {"um": 1.0, "mm": 1000.0}
"""Units of length in which a map may be written."""
_SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float64)


def given(mapping: Mapping, fixed: Slide, moving: Slide) -> Registration:
    """Return a registration by a map that was made elsewhere; how good it is is not known."""
    notes = ("This registration was made elsewhere; its quality was not measured.",)
    return Registration(mapping, Section.of(fixed), Section.of(moving), notes=notes)


def measured(mapping: Mapping, fixed: Slide, moving: Slide) -> Registration:
    """Return a registration by a map made elsewhere, and how many squares of tissue agree with it.

    It is kept however few they are: whoever gives a map decides. The notes say so.

    Raises
    ------
    RegistrationError
        Where the map scales or stretches as no sections do, or lays the slides beside each other.
    """
    _require_sane(mapping, fixed, moving)
    judge = Judge(fixed, moving)
    evidence = judge.evidence(mapping)
    before, after = (judge.likeness(one) for one in (Mapping(identity()), mapping))
    notes = [
        f"This registration was made elsewhere; {100 * evidence.agreeing:.0f} % of squares agree."
    ]
    notes += doubts(evidence)
    if folds(mapping):
        notes.append("Its field folds the section somewhere; tissue is not comparable there.")
    stage = StageResult("given", before, after, True, "It was made elsewhere.", mapping)
    sections = Section.of(fixed), Section.of(moving)
    return Registration(
        mapping, *sections, (stage,), evidence.agreeing, (*notes, *remarks(moving, mapping.affine))
    )


def _require_sane(mapping: Mapping, fixed: Slide, moving: Slide) -> None:
    absurd = absurdity(mapping.affine)
    share = common_share(mapping, fixed.size_um, moving.size_um)
    if not absurd and share < _LEAST_COMMON:
        absurd = f"lays the slides beside each other ({100 * share:.0f} % lies on the other)"
    if absurd:
        raise RegistrationError(f"The map given for {moving.name} {absurd}.")


def read_map(
    paths: Sequence[Path], fixed: Slide, *, order: str = "yx", unit: str = "um"
) -> Mapping:
    """Read an affine matrix, a displacement field, or one of each.

    Parameters
    ----------
    paths
        Matrices as `read_affine` reads them, fields as `read_field` does.
    fixed
        The fixed slide.
    order
        Which coordinate comes first in the matrix.
    unit
        ``"um"`` or ``"mm"``: of the matrix's shift, and of a field's places and displacements.

    Raises
    ------
    RegistrationError
        Where there is more than one of either, a file is neither, or a field does not lie over
        the fixed slide.
    """
    fields = [path for path in paths if _is_field(path)]
    matrices = [path for path in paths if path not in fields]
    if not paths or len(fields) > 1 or len(matrices) > 1:
        names = ", ".join(path.name for path in paths)
        raise RegistrationError(f"Give one matrix, one field or one of each, not: {names}.")
    affine = read_affine(matrices[0], order=order) if matrices else identity()
    affine[:, 2] *= UNITS_UM[unit]
    return read_field(fields[0], fixed, affine, unit=unit) if fields else Mapping(affine)


def read_affine(path: Path, *, order: str = "yx") -> Affine:
    """Read a 2 × 3 or 3 × 3 matrix, fixed µm → moving µm, from npy or JSON.

    Parameters
    ----------
    path
        ``.npy``, or JSON: the rows, or an object with them under ``affine`` or ``matrix``.
    order
        ``"yx"`` or ``"xy"``: which coordinate comes first in the matrix.

    Raises
    ------
    RegistrationError
        Where it is no such matrix, or one that cannot be inverted.
    """
    if order not in ("yx", "xy"):
        raise RegistrationError(f"The order of coordinates is 'yx' or 'xy', not {order!r}.")
    matrix = _matrix(path)
    if matrix.shape not in ((2, 3), (3, 3)) or not np.isfinite(matrix).all():
        raise RegistrationError(f"{path.name} does not hold 2 × 3 or 3 × 3 finite numbers.")
    if matrix.shape == (3, 3) and not np.allclose(matrix[2], (0, 0, 1)):
        raise RegistrationError(f"{path.name} is a perspective map; only affine ones are read.")
    whole = np.vstack([matrix[:2], (0, 0, 1)])
    if order == "xy":
        whole = _SWAP @ whole @ _SWAP
    if abs(np.linalg.det(whole[:2, :2])) < 1e-6:
        raise RegistrationError(f"{path.name} maps the plane onto a line.")
    return whole[:2]


def read_field(
    path: Path, fixed: Slide, affine: Affine | None = None, *, unit: str = "um"
) -> Mapping:
    """Read a displacement field, added to ``affine`` (the identity where none is given).

    Parameters
    ----------
    path
        ``.npy``: (rows, cols, 2) as (dy, dx), laid over the whole fixed slide; or ``.mha``: 2-D,
        two channels (dx, dy), with its own spacing and origin, as ITK writes it.
    fixed
        The fixed slide.
    affine
        What the field is added to.
    unit
        ``"um"`` or ``"mm"``: of all numbers in the file.

    Raises
    ------
    RegistrationError
        Where the file is no such field, or one that does not lie over the fixed slide.
    """
    um = UNITS_UM[unit]
    if path.suffix.lower() == ".mha":
        field = _in_um(read_metaimage(path), um)
        _require_over(path.name, field, fixed, unit)
    else:
        field = _field_of_npy(path, fixed)
        field = replace(field, values=field.values * um)
    if not np.isfinite(field.values).all():
        raise RegistrationError(f"{path.name} holds displacements that are no finite numbers.")
    return Mapping(identity() if affine is None else affine, field)


def _in_um(field: Field, um: float) -> Field:
    origin, spacing = ((y * um, x * um) for y, x in (field.origin, field.spacing))
    return Field(field.values * um, origin, spacing)


def _require_over(name: str, field: Field, fixed: Slide, unit: str) -> None:
    """Refuse a field that covers little of the slide, or much more than it: of another unit."""
    covers = [step * count for step, count in zip(field.spacing, field.values.shape, strict=False)]
    parts = [have / side for have, side in zip(covers, fixed.size_um, strict=True)]
    if min(parts) >= _LEAST_COVER and max(parts) <= _MOST_COVER:
        return
    y, x = covers
    height, width = (side / 1000 for side in fixed.size_um)
    other = "mm" if unit == "um" else "µm"
    raise RegistrationError(
        f"{name} covers {y / 1000:.3g} × {x / 1000:.3g} mm, {fixed.name} is {height:.3g} × "
        f"{width:.3g} mm: is the field in {other} (give its unit), or of another slide?"
    )


def _is_field(path: Path) -> bool:
    """Return whether a file is a field by its ending or, for npy, by its number of axes."""
    suffix = path.suffix.lower()
    if suffix not in (".json", ".npy", ".mha"):
        raise RegistrationError(f"{path.name} is no .npy, .json or .mha file.")
    if suffix != ".npy":
        return suffix == ".mha"
    try:
        return bool(np.load(path, mmap_mode="r").ndim == 3)
    except (OSError, ValueError) as error:
        raise _unreadable(path, "numbers", error) from error


def _matrix(path: Path) -> NDArray[np.float64]:
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path), np.float64)
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            content = content.get("affine", content.get("matrix"))
        return np.array(content, np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, "a matrix", error) from error


def _unreadable(path: Path, wanted: str, error: Exception) -> RegistrationError:
    return RegistrationError(f"{path.name} cannot be read as {wanted}: {reason(error)}.")


def _field_of_npy(path: Path, fixed: Slide) -> Field:
    try:
        values = np.asarray(np.load(path), np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, "a field", error) from error
    if values.ndim != 3 or values.shape[2] != 2 or min(values.shape[:2]) < 2:
        raise RegistrationError(f"{path.name} has shape {values.shape}, not (rows, cols, 2).")
    height, width = (
        side / count for side, count in zip(fixed.size_um, values.shape[:2], strict=True)
    )
    return Field(values, (height / 2, width / 2), (height, width))
