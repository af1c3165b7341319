"""A look at a data folder before anything is trained on it; no Qt."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.widgets.train.model import DataCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.widgets.train.form import CheckWish


def check_data(wish: CheckWish, progress: Callable[[str, int, int], None]) -> DataCheck:
    """Find, read and check all pairs, as the training will.

    Raises
    ------
    Cancelled
        If ``progress``, which is told of pictures looked at and in all, says so.
    """
    from napari_virtual_ihc.training.data import PairFolder

    try:
        data = PairFolder.open(
            Path(wish.data),
            mpp=wish.mpp,
            marker=wish.marker,
            crop=wish.crop,
            report=partial(progress, "Looking at the pairs"),
        )
    except Cancelled:
        raise
    except (VirtualIhcError, OSError) as error:
        return DataCheck(wish, error=str(error))
    return DataCheck(wish, data.layout, len(data.train), len(data.validation), data.findings)


def findings_html(check: DataCheck) -> str:
    """Return every finding as HTML, those of one kind together."""
    by_kind: dict[str, list[str]] = {}
    for finding in check.findings:
        heading = f"{finding.kind}, {finding.consequence}"
        by_kind.setdefault(heading, []).append(finding.message)
    parts = []
    for kind, messages in by_kind.items():
        lines = "".join(f"<li>{escape(message)}</li>" for message in messages)
        parts.append(f"<h4>{escape(kind)} ({len(messages):,})</h4><ul>{lines}</ul>")
    return "".join(parts)


def log_html(log: str) -> str:
    """Return the end of a log as HTML."""
    return f"<pre>{escape(log)}</pre>" if log.strip() else "<p>The process printed nothing.</p>"
