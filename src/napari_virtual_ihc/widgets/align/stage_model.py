"""The stages of a registration as rows to choose from, without Qt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.registration.mapping import Mapping

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.registration import Registration, StageResult
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.align.placing import Laid

_NAMES = {"hand": "by hand", "landmarks": "landmarks"}
"""What people did; nothing else decides whether it is taken."""
EARLIER = "This shows the real IHC as it lay then; the last row shows it as it lies now."


@dataclass(frozen=True)
class StageRow:
    """One row.

    Attributes
    ----------
    name, likeness, verdict
        Its cells.
    why
        One sentence.
    mapping
        What to show where it is chosen; None where that was not kept.
    """

    name: str
    likeness: str
    verdict: str
    why: str
    mapping: Mapping | None = field(default=None, compare=False, repr=False)


def stage_rows(found: Registration) -> tuple[StageRow, ...]:
    """Return the slide as scanned, then the stages; the last that stands shows the whole map."""
    rows = [_row(stage) for stage in found.stages]
    standing = [place for place, stage in enumerate(found.stages) if stage.accepted]
    if standing:
        rows[standing[-1]] = replace(rows[standing[-1]], mapping=found.mapping)
    else:
        rows.append(StageRow("given", "", "", "The map was not found here.", found.mapping))
    scanned = Mapping(np.eye(2, 3))
    return (StageRow("as scanned", "", "", "Corner on corner, as the files are.", scanned), *rows)


def shown_row(rows: tuple[StageRow, ...]) -> int:
    """Return which row shows the whole map: the last that shows anything."""
    showing = [place for place, row in enumerate(rows) if row.mapping is not None]
    return showing[-1] if showing else -1


def at_stage(laid: Laid, mapping: Mapping, moving: Slide) -> Laid:
    """Return what to show for an earlier map of the same placement."""
    from napari_virtual_ihc.registration.warp import warp

    found = replace(laid.registration, mapping=mapping)
    return replace(laid, registration=found, slide=warp(found, moving))


def _row(stage: StageResult) -> StageRow:
    name = _NAMES.get(stage.name, stage.name)
    known = stage.before is not None or stage.after is not None
    likeness = f"{_number(stage.before)} → {_number(stage.after)}" if known else ""
    verdict = ("" if stage.name in _NAMES else "taken") if stage.accepted else "refused"
    return StageRow(name, likeness, verdict, stage.why, stage.mapping)


def _number(likeness: float | None) -> str:
    return "–" if likeness is None else f"{likeness:.2f}"
