"""Registration in a process of its own: whoever waits for it goes on, and can stop it at once.

The child is given both slides through a pipe and tells its steps and the outcome through another;
nothing is written to disk. It ends when its standard input does, that is with its parent.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from napari_virtual_ihc.errors import RegistrationError, VirtualIhcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

    Child = subprocess.Popen[bytes]
    Report = Callable[[int, int], None]

_POLL_S = 0.1
_UNSENDABLE = (pickle.PicklingError, TypeError, AttributeError)


def register_apart(fixed: Slide, moving: Slide, report: Report) -> Registration:
    """Do what :func:`~napari_virtual_ihc.registration.register.register` does, in a child process.

    Parameters
    ----------
    fixed, moving
        Slides of known scale, in files or made by rule or in memory; their sources are pickled.
    report
        Told ten times a second how many steps are done, of how many (0 of 0 at first). It may
        raise Cancelled: the child is then killed.

    Raises
    ------
    MissingScaleError, RegistrationError
        As ``register`` does; also where a slide cannot be sent, or the child dies.
    """
    slides = _packed(fixed, moving)
    with tempfile.TemporaryFile() as log, _started(log) as child:
        heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        talk = threading.Thread(target=_converse, args=(child, slides, heard), daemon=True)
        talk.start()
        try:
            return _outcome(child, heard, log, report)
        finally:
            child.kill()
            talk.join()


def _packed(fixed: Slide, moving: Slide) -> bytes:
    try:
        return pickle.dumps((fixed, moving))
    except _UNSENDABLE as error:
        raise RegistrationError(
            f"{fixed.name} or {moving.name} cannot be handed to another process: {error}."
        ) from error


@contextmanager
def _started(log: IO[bytes]) -> Iterator[Child]:
    """Start the child; it finds what this process can import, and takes no Ctrl+C of ours."""
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    ) as child:
        yield child


def _converse(child: Child, slides: bytes, heard: queue.SimpleQueue[Any]) -> None:
    """Send the slides and pass on what the child says; None at the end, however it ends."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("The child was started with pipes.")
    try:
        child.stdin.write(slides)
        child.stdin.flush()
        while True:
            heard.put(pickle.load(child.stdout))
    except (EOFError, OSError, pickle.UnpicklingError):
        pass
    finally:
        heard.put(None)


def _outcome(
    child: Child, heard: queue.SimpleQueue[Any], log: IO[bytes], report: Report
) -> Registration:
    step = 0, 0
    while True:
        report(*step)
        try:
            said = heard.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if said is None:
            raise RegistrationError(_obituary(child, log))
        if isinstance(said, Exception):
            raise said
        if not isinstance(said, tuple):
            found: Registration = said
            return found
        step = said


def _obituary(child: Child, log: IO[bytes]) -> str:
    """Return one sentence on how the child died: its signal, or the last line it printed."""
    code = child.wait()
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    how = f"it was killed by signal {-code}" if code < 0 else last or f"exit code {code}"
    return f"The process that registers ended early: {how.rstrip('.')}."


def main() -> None:
    """Be the child: read two slides, register them, tell every step and the outcome."""
    from napari_virtual_ihc.registration.register import register

    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    fixed, moving = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _tell(out, register(fixed, moving, lambda done, total: _tell(out, (done, total))))
    except (VirtualIhcError, OSError) as error:
        _tell(out, error)


def _tell(out: IO[bytes], message: object) -> None:
    out.write(pickle.dumps(message))
    out.flush()


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
