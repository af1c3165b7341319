"""``virtual-ihc data``: what a training would find in a folder of pairs, without training."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

import typer

from napari_virtual_ihc.cli.output import emit, progress, require_mpp, say

if TYPE_CHECKING:
    from napari_virtual_ihc.training.data import PairFolder

_SHOWN_OF_A_KIND = 5


def data(
    folder: Annotated[Path, typer.Argument(help="Folder of H&E and IHC pairs.")],
    mpp: Annotated[float, typer.Option(help="Scale of the pictures, µm/px.")],
    marker: Annotated[str, typer.Option(help="What the IHC shows.")] = "unknown",
    crop: Annotated[int, typer.Option(min=1, help="Side of the crops, px.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a folder of pairs: its layout, splits and slides, and all that is wrong with it."""
    from napari_virtual_ihc.provenance import stamp
    from napari_virtual_ihc.training.data import PairFolder

    require_mpp(mpp)
    with progress("checking pairs") as report:
        opened = PairFolder.open(folder, mpp=mpp, marker=marker, crop=crop, report=report)
    summary = opened.summary()
    if as_json:
        emit(stamp("virtual-ihc/data/1", "data") | summary, True)
        return
    _tell(opened)
    emit({name: value for name, value in summary.items() if name != "findings" and value}, False)


def _tell(opened: PairFolder) -> None:
    """Say the first findings of each kind, and how many more there are."""
    by_kind: dict[str, list[str]] = {}
    for finding in opened.findings:
        sentence = f"{finding.kind}: {finding.message} ({finding.consequence})"
        by_kind.setdefault(finding.kind, []).append(sentence)
    for kind, sentences in by_kind.items():
        for sentence in sentences[:_SHOWN_OF_A_KIND]:
            say(sentence)
        if len(sentences) > _SHOWN_OF_A_KIND:
            say(f"{kind}: and {len(sentences) - _SHOWN_OF_A_KIND} more (--json lists all)")
