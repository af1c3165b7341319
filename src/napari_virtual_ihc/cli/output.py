"""What a command prints: sentences and progress for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_virtual_ihc.errors import Cancelled, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NO_TERMINAL = 100, 24
_LEAST_ROOM = 40


def emit(result: Mapping[str, Any], as_json: bool) -> None:
    """Print ``result``: as one JSON object on standard output, or as lines that fit the terminal.

    Parameters
    ----------
    result
        Names and values; values are JSON values, numbers carry their unit in the name.
    as_json
        Whether a program reads the output.
    """
    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
        return
    width = max((len(name) for name in result), default=0)
    room = max(shutil.get_terminal_size(_NO_TERMINAL).columns - width - 2, _LEAST_ROOM)
    for name, value in result.items():
        first, *rest = _lines(value, room) or [""]
        print(f"{name.replace('_', ' '):<{width}}  {first}")
        for line in rest:
            print(f"{'':<{width}}  {line}")


def require_mpp(mpp: float | None, option: str = "--mpp") -> None:
    """Refuse a scale in µm/px, given by ``option``, that no picture has.

    Raises
    ------
    UsageError
        If it is out of a model card's range.
    """
    from napari_virtual_ihc.models.card import LEAST_MPP, MOST_MPP

    if mpp is not None and not LEAST_MPP < mpp < MOST_MPP:
        raise UsageError(f"{option} is µm/px, between {LEAST_MPP:g} and {MOST_MPP:g}, not {mpp:g}.")


def region_box(text: str) -> tuple[float, float, float, float] | None:
    """Return ``y,x,h,w`` in µm as numbers, None for no words; raises UsageError on others."""
    if not text:
        return None
    try:
        y, x, h, w = (float(part) for part in text.split(","))
    except ValueError:
        y = x = h = w = math.nan
    if not all(map(math.isfinite, (y, x, h, w))):
        raise UsageError(f"--region is y,x,h,w in µm, such as 0,0,500,500, not {text!r}.")
    return y, x, h, w


def say(sentence: str) -> None:
    """Print one sentence for the person at the terminal, on standard error."""
    print(sentence, file=sys.stderr)


class Bar:
    """A progress bar on standard error; call it with what is done and what there is in all."""

    def __init__(self, bars: Progress, title: str) -> None:
        self._bars, self._title = bars, title
        self._task = bars.add_task(title, total=None)

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        self._bars.update(self._task, completed=done, total=total)

    def part(self, title: str, done: int, total: int) -> None:
        """Show how far a part of the work is that has a title of its own."""
        self._bars.update(self._task, description=title, completed=done, total=total)

    def step(self, done: int, total: int) -> None:
        """Show how far the step is that leads to the next."""
        words = f"{self._title} · step {done} of {total}"
        self._bars.update(self._task, description=words)


@contextmanager
def begun_anew() -> Iterator[None]:
    """Say of work that is stopped that nothing of it is kept."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Cancelled("Stopped; nothing is kept: the same command begins anew.") from stop


@contextmanager
def progress(title: str) -> Iterator[Bar]:
    """Show a progress bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Bar(bar, title)


def _lines(value: object, room: int) -> list[str]:
    """Return a value in lines of ``room`` characters; what has parts begins a line with each."""
    text = _readable(value)
    if len(text) <= room:
        return [text]
    parts = [text]
    if isinstance(value, dict):
        parts = [f"{name} {_readable(item)}" for name, item in value.items()]
    elif isinstance(value, list | tuple):
        parts = [_readable(item) for item in value]
    fold = textwrap.TextWrapper(
        room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [line for part in parts for line in fold.wrap(part)]


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "  ".join(f"{name} {_readable(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_readable(item) for item in value)
    return str(value)
