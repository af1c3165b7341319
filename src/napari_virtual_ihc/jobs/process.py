"""Which process is which: a process id alone may have been given to another one since."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.files import read_json, to_json, write_json
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "virtual-ihc/process/1"
_START_TOLERANCE_S = 0.05
_LOOKS, _LOOK_S = 20, 0.02


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same id.

    Attributes
    ----------
    pid
        Process id.
    started
        Start time of the process, seconds since the epoch.
    host
        Name of the machine, since a run folder may lie on a shared disk.
    """

    pid: int
    started: float
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Identify a living process of this machine."""
        return cls(pid, psutil.Process(pid).create_time(), socket.gethostname())

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Identify the calling process."""
        return cls.of(os.getpid())

    @classmethod
    def read(cls, path: Path) -> ProcessIdentity | None:
        """Read an identity written by :meth:`write`, None where there is none."""
        if not path.exists():
            return None
        content = read_json(path, schema=SCHEMA)
        return cls(int(content["pid"]), float(content["started"]), str(content["host"]))

    def write(self, path: Path) -> None:
        """Write the identity as JSON, atomically."""
        write_json(path, self._stamped())

    def _stamped(self) -> dict[str, Any]:
        content: dict[str, Any] = asdict(self)
        return stamp(SCHEMA, "job") | content

    @classmethod
    def claim(cls, path: Path) -> ProcessIdentity | None:
        """Write the calling process to ``path`` unless a living one of this machine stands there.

        Of several that claim at once, one makes the file; one left by a process that died, or that
        is damaged, is taken over.

        Returns
        -------
        ProcessIdentity or None
            The other process that holds it; None where the caller now does.
        """
        content = to_json(cls.current()._stamped())
        while True:
            with contextlib.suppress(FileExistsError), path.open("xb", buffering=0) as file:
                file.write(content)
                return None
            owner = cls._standing(path)
            if owner is not None and owner.alive():
                return owner
            path.unlink(missing_ok=True)

    @classmethod
    def _standing(cls, path: Path) -> ProcessIdentity | None:
        """Return who stands at ``path``; a file that is being written is waited for."""
        for _ in range(_LOOKS):
            with contextlib.suppress(VirtualIhcError):
                return cls.read(path)
            time.sleep(_LOOK_S)
        return None

    @property
    def local(self) -> bool:
        """Whether the process belongs to this machine."""
        return self.host == socket.gethostname()

    def alive(self) -> bool:
        """Whether this very process still runs on this machine (a zombie does not)."""
        if not self.local:
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(float(process.create_time()) - self.started) < _START_TOLERANCE_S
            return same and str(process.status()) != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
