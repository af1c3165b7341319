"""What damaged files make third-party decoders raise, and how to keep those decoders quiet."""

from __future__ import annotations

import logging
import re
import struct
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREIGN_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Everything tifffile, imagecodecs, zarr and pydicom were seen to raise on damaged input.

Interrupts, exits and this package's own errors are not among them.
"""

_OBJECT = re.compile(r" *'?<[\w.]+ object at 0x[0-9a-f]+>'?")
_NOISY = ("tifffile", "pydicom", "PIL", "zarr")


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the readers' own log records and warnings from the user while a file is opened."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    for logger in loggers:
        logger.addFilter(_drop)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def reason(error: BaseException) -> str:
    """Return the first line of an error's text, short enough to end a sentence."""
    if isinstance(error, KeyError):
        return f"{plain(str(error), 60)} is missing"
    lines = str(error).strip().splitlines()
    told = _OBJECT.sub("", lines[0]) if lines else ""
    return plain(told).rstrip(". ") if told else type(error).__name__


def plain(text: str, most: int = 160) -> str:
    """Return text from a file as one short line of printable characters."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return shown if len(shown) <= most else shown[: most - 3] + "..."
