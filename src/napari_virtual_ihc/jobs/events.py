"""A file of events: one JSON object a line, appended whole, read while it grows."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Event = dict[str, Any]
_BLOCK = 1 << 16


def append(file: Path, event: Event) -> None:
    """Append one event (it gets a ``time``, seconds since the epoch) as one whole line.

    A line torn by an earlier crash is closed first, so that it costs no other line.
    """
    line = json.dumps({"time": time.time()} | event, ensure_ascii=False) + "\n"
    prefix = "" if _ends_with_newline(file) else "\n"
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, (prefix + line).encode())
    finally:
        os.close(handle)


def _ends_with_newline(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:
        return True


def since(path: Path, offset: int, limit: int = -1) -> tuple[list[Event], int]:
    """Return the whole events behind byte ``offset``, and the offset to ask from next.

    At most ``limit`` bytes are read, if given; it must be longer than any line.
    """
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(limit)
    whole = data.rfind(b"\n") + 1
    return [event for line in data[:whole].split(b"\n") if (event := _event(line))], offset + whole


def newest_first(path: Path) -> Iterator[Event]:
    """Yield the whole events from the end of the file on; no more of it is read than is asked for.

    Torn lines are passed over.
    """
    yield from (event for line in _lines_from_end(path) if (event := _event(line)))


def newest(path: Path, kind: str) -> Event | None:
    """Return the newest event of a kind, None where there is none; other lines are not parsed."""
    mark = f'"event": "{kind}"'.encode()
    likely = (_event(line) for line in _lines_from_end(path) if mark in line)
    return next((event for event in likely if event and event["event"] == kind), None)


def _lines_from_end(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    with path.open("rb") as file:
        place, rest = file.seek(0, os.SEEK_END), b""
        while place > 0:
            start = max(0, place - _BLOCK)
            file.seek(start)
            first, *lines = (file.read(place - start) + rest).split(b"\n")
            place, rest = start, first
            yield from reversed(lines)
        yield rest


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
