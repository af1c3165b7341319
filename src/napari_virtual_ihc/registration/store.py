"""A registration on disk: ``registration.json``, and ``field.npz`` where it is elastic.

What people decided is kept with the map before them, so that pairs can be judged and undone again.
"""

from __future__ import annotations

import io
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from napari_virtual_ihc.errors import ExportError, RegistrationError
from napari_virtual_ihc.files import atomic_write_bytes, read_json, sha256_file, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.registration.landmark_fit import Way
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.placement import Placement, Pose
from napari_virtual_ihc.registration.registration import Registration, Section, StageResult

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.registration.affine import Points

SCHEMA = "virtual-ihc/registration/1"
_FILE, _FIELD, _FIELD_BEFORE = "registration.json", "field.npz", "field_before.npz"


def save(registration: Registration, folder: Path) -> None:
    """Write a registration into a folder, which is made where it is missing."""
    facts = _facts(registration, folder / _FIELD)
    placement = registration.placement
    kept = None if placement is None else _placement_facts(placement, folder / _FIELD_BEFORE)
    write_json(folder / _FILE, stamp(SCHEMA, "register") | facts | {"placement": kept})


def require_new(folder: Path) -> None:
    """Refuse a folder that holds a registration already, or in which none can be written.

    Raises
    ------
    ExportError
        Saying which.
    """
    if (folder / _FILE).exists():
        raise ExportError(
            f"{folder} holds a registration already; give another name or remove it first."
        )
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ExportError(f"{folder} cannot be written: {there} is a file, not a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ExportError(f"{folder} cannot be written: {there} is not open to writing.")


def _facts(registration: Registration, path: Path) -> dict[str, Any]:
    """Return a registration for the file; its field goes to ``path``."""
    field = registration.mapping.field
    digest = None if field is None else _write_field(path, field)
    return {
        "maps": "fixed (y, x) µm to moving (y, x) µm: moving = affine(fixed) + field(fixed)",
        "stage": registration.stage,
        "source": registration.source,
        "mirrored": registration.mirrored,
        "affine": registration.mapping.affine.tolist(),
        "field_sha256": digest,
        "fixed": asdict(registration.fixed),
        "moving": asdict(registration.moving),
        "stages": [_stage_facts(stage) for stage in registration.stages],
        "agreeing": registration.agreeing,
        "notes": list(registration.notes),
    }


def _placement_facts(placement: Placement, path: Path) -> dict[str, Any]:
    pairs = placement.marked.whole()
    return {
        "before": _facts(placement.base, path),
        "pose": asdict(placement.pose),
        "pairs": "places (y, x) in µm of each slide, in the same order",
        "pairs_fixed": pairs.fixed.tolist(),
        "pairs_moving": pairs.moving.tolist(),
        "way": placement.way,
    }


def load(folder: Path) -> Registration:
    """Read what `save` wrote.

    Raises
    ------
    VirtualIhcError
        Where the file is of another schema.
    RegistrationError
        Where the file, an entry or the field is missing or wrong.
    """
    if not (folder / _FILE).is_file():
        raise RegistrationError(f"{folder} holds no registration ({_FILE} is missing).")
    facts = read_json(folder / _FILE, schema=SCHEMA)
    try:
        found, kept = _registration(facts, folder / _FIELD), facts.get("placement")
        placement = None if kept is None else _placement(kept, folder / _FIELD_BEFORE)
        return replace(found, placement=placement)
    except (KeyError, TypeError, ValueError) as error:
        raise RegistrationError(f"{folder / _FILE} is damaged: {error}.") from error


def _registration(facts: dict[str, Any], path: Path) -> Registration:
    mapping = Mapping(_numbers(facts, "affine", (2, 3)), _read_field(path, facts["field_sha256"]))
    stages = _ending_in(mapping, [_stage(stage) for stage in facts["stages"]])
    sections = _section(facts["fixed"]), _section(facts["moving"])
    return Registration(mapping, *sections, stages, facts["agreeing"], tuple(facts["notes"]))


def _placement(facts: dict[str, Any], path: Path) -> Placement:
    if facts["way"] not in get_args(Way):
        raise ValueError(f"way is {facts['way']}, none of {', '.join(get_args(Way))}")
    count = len(facts["pairs_fixed"])
    names = ("pairs_fixed", "pairs_moving") if count else ()
    sides = [_numbers(facts, name, (count, 2)) for name in names]
    before = _registration(facts["before"], path)
    return Placement(before, _pose(facts["pose"]), Landmarks(*sides), facts["way"])


def _pose(facts: dict[str, Any]) -> Pose:
    down, right, turn, scale = (
        float(facts[name]) for name in ("down_um", "right_um", "turn_deg", "scale")
    )
    return Pose(down, right, turn, scale, bool(facts["mirrored"]))


def _numbers(facts: dict[str, Any], name: str, shape: tuple[int, int]) -> Points:
    numbers = np.array(facts[name], np.float64)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is not {shape[0]} × {shape[1]} numbers")
    return numbers


def _stage_facts(stage: StageResult) -> dict[str, Any]:
    """Return a stage for the file; of its map only an affine one is kept."""
    facts = asdict(replace(stage, mapping=None))
    kept = stage.mapping is not None and stage.mapping.field is None
    affine = stage.mapping.affine.tolist() if kept and stage.mapping is not None else None
    return facts | {"mapping": affine}


def _stage(facts: dict[str, Any]) -> StageResult:
    affine = facts.get("mapping")
    mapping = None if affine is None else Mapping(np.array(affine, np.float64).reshape(2, 3))
    return StageResult(**(facts | {"mapping": mapping}))


def _ending_in(mapping: Mapping, stages: list[StageResult]) -> tuple[StageResult, ...]:
    """Return the stages, the last that stands with the whole map."""
    standing = [place for place, stage in enumerate(stages) if stage.accepted]
    if standing:
        stages[standing[-1]] = replace(stages[standing[-1]], mapping=mapping)
    return tuple(stages)


def _section(facts: dict[str, Any]) -> Section:
    height, width = facts["shape"]
    return Section(str(facts["fingerprint"]), (int(height), int(width)), float(facts["mpp"]))


def _write_field(path: Path, field: Field) -> str:
    stream = io.BytesIO()
    np.savez_compressed(
        stream, values=field.values, origin=np.array(field.origin), spacing=np.array(field.spacing)
    )
    atomic_write_bytes(path, stream.getvalue())
    return sha256_file(path)


def _read_field(path: Path, digest: str | None) -> Field | None:
    if digest is None:
        return None
    if not path.is_file() or sha256_file(path) != digest:
        raise RegistrationError(f"{path} is missing or not the field of this registration.")
    with np.load(path) as arrays:
        origin, spacing = (tuple(arrays[name].tolist()) for name in ("origin", "spacing"))
        return Field(arrays["values"], origin, spacing)
