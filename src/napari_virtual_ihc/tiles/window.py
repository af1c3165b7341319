"""NumPy indexing of a level: what is asked for, as a window of rows, columns and channels."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels


@dataclass(frozen=True)
class Span:
    """Positions ``start, start + step, … < stop`` along an axis, step at least 1."""

    start: int
    stop: int
    step: int

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(range(self.start, self.stop, self.step))

    def inside(self, low: int, high: int) -> tuple[slice, slice]:
        """Return where positions in ``[low, high)`` lie in the span, and where in that interval."""
        first = max(-(-(low - self.start) // self.step), 0)
        last = max(min(-(-(high - self.start) // self.step), len(self)), first)
        offset = self.start + first * self.step - low
        end = offset + (last - first) * self.step
        return slice(first, last), slice(offset, min(end, high - low), self.step)


@dataclass(frozen=True)
class Window:
    """A parsed index: two spans, and what remains to be applied to the pasted block."""

    rows: Span
    cols: Span
    rest: tuple[slice | int, slice | int, slice | int]

    def cut(self, block: Pixels) -> Pixels:
        """Turn the pasted block (rows, cols, 4) into what NumPy would have returned."""
        result: Pixels = block[self.rest]
        return result


def parse(index: object, shape: tuple[int, int, int]) -> Window:
    """Return the window of an index made of integers, slices and at most one Ellipsis.

    Raises
    ------
    IndexError
        If there are too many indices, one is out of bounds, or one is of another kind.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [item for item in items if not hasattr(item, "shape")]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (4 - len(items))
    items += [slice(None)] * (3 - len(items))
    if len(items) > 3:
        raise IndexError(f"A level has 3 axes, {len(items)} indices were given.")
    rows, rest_rows = _axis(items[0], shape[0])
    cols, rest_cols = _axis(items[1], shape[1])
    return Window(rows, cols, (rest_rows, rest_cols, _channel(items[2])))


def _axis(item: object, size: int) -> tuple[Span, slice | int]:
    if isinstance(item, slice):
        start, stop, step = item.indices(size)
        positions = range(start, stop, step)
        if step > 0:
            return Span(start, max(stop, start), step), slice(None)
        if not positions:
            return Span(0, 0, 1), slice(None)
        return Span(positions[-1], positions[0] + 1, -step), slice(None, None, -1)
    at = _integer(item)
    if not -size <= at < size:
        raise IndexError(f"Index {at} is out of bounds for an axis of {size} px.")
    return Span(at % size, at % size + 1, 1), 0


def _channel(item: object) -> slice | int:
    return item if isinstance(item, slice) else _integer(item)


def _integer(item: object) -> int:
    try:
        return operator.index(item)  # type: ignore[arg-type]
    except TypeError as error:
        raise IndexError(f"A level is indexed by integers and slices, not {item!r}.") from error
