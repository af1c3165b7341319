"""What was done, so that it can be undone: values in a row, of which one holds now."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
_LONGEST = 200


class History(Generic[T]):
    """A row of values; a new one drops what was undone.

    Parameters
    ----------
    first
        What holds at first; undoing stops there.
    """

    def __init__(self, first: T) -> None:
        self._row, self._place = [first], 0

    @property
    def now(self) -> T:
        """The value that holds."""
        return self._row[self._place]

    @property
    def can_undo(self) -> bool:
        """Whether there is a value before."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return self._place < len(self._row) - 1

    def do(self, value: T, *, joins: bool = False) -> None:
        """Take a new value; one that ``joins`` stands for the last one, as in one movement."""
        kept = self._row[: self._place + (0 if joins and self.can_undo else 1)]
        self._row = [*kept[-_LONGEST:], value]
        self._place = len(self._row) - 1

    def undo(self) -> None:
        """Go back by one, where that is possible."""
        self._place = max(self._place - 1, 0)

    def redo(self) -> None:
        """Take back what was undone last, where that is possible."""
        self._place = min(self._place + 1, len(self._row) - 1)
