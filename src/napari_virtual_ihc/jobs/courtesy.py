"""Courtesy on a shared device: a training and a window tell each other when they use it.

Each says in a file of its own until when it is busy, as the file's time of change; the other looks,
and waits a little. A process that died is busy no longer than it last said.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from napari_virtual_ihc.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Party = Literal["training", "viewer"]
_POLL_S = 0.05
_FORGOTTEN_S = 3600.0


def _folder() -> Path:
    return home() / "courtesy"


def _here() -> str:
    return socket.gethostname()


def say_busy(party: Party, device: str, seconds: float) -> None:
    """Say that ``party`` uses ``device`` (such as ``cuda-0``) for the next ``seconds``.

    Where nothing can be written nothing is said: courtesy stops no work.
    """
    file = _folder() / f"{party}.{device}.{_here()}.{os.getpid()}"
    until = time.time() + seconds
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        os.utime(file, (until, until))


def busy(party: Party, device: str) -> bool:
    """Return whether another process of this machine uses ``device`` as ``party``."""
    now = time.time()
    ours = f".{os.getpid()}"
    found = False
    for file in _folder().glob(f"{party}.{device}.{_here()}.*"):
        try:
            until = file.stat().st_mtime
            if until < now - _FORGOTTEN_S:
                file.unlink()
        except FileNotFoundError:
            continue
        found = found or (until > now and file.suffix != ours)
    return found


def wait_while_busy(
    party: Party, device: str, limit_s: float, give_up: Callable[[], bool]
) -> float:
    """Wait while ``party`` is busy on ``device``, at most ``limit_s``; return the seconds waited.

    ``give_up`` is asked between looks, so that whoever waits can be called off.
    """
    began = time.monotonic()
    while busy(party, device) and not give_up():
        if time.monotonic() - began >= limit_s:
            break
        time.sleep(_POLL_S)
    return time.monotonic() - began
