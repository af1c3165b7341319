"""Landmarks on disk: one CSV file for each slide, whose points are paired by number or by line."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.files import atomic_write_bytes, reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_virtual_ihc.registration.affine import Points

    Shape = tuple[int, int]

_NUMBER_COLUMNS = ("", "#", "n", "no", "nr", "number", "index", "id", "landmark", "point")


class PairFile(NamedTuple):
    """Pairs read from two files.

    Attributes
    ----------
    fixed, moving
        Places (n, 2) as (y, x) in px of each slide, in the same order.
    names
        What each pair is called: its number in the files, else its place among the lines from 1.
    note
        One sentence where points were left out, else empty.
    """

    fixed: Points
    moving: Points
    names: tuple[int, ...]
    note: str


class _Marked(NamedTuple):
    name: str
    points: Points
    numbers: tuple[int, ...] | None
    lines: tuple[int, ...]


def read_landmarks(path: Path) -> Points:
    """Read a CSV with columns X and Y in px of its image; return (n, 2) as (y, x).

    Raises
    ------
    RegistrationError
        Where the file or a column is missing, or an entry is no number.
    """
    return _read(path).points


def read_pairs(fixed: Path, moving: Path, shapes: tuple[Shape, Shape] | None = None) -> PairFile:
    """Read the landmarks of two slides, paired by their numbers where both files have them.

    Parameters
    ----------
    fixed, moving
        CSV files as `read_landmarks` reads them. A column of whole numbers without a name, or one
        called n, number, index or id, names the pairs.
    shapes
        Height and width of each slide in px; points outside are then refused.

    Raises
    ------
    RegistrationError
        Where a file cannot be read, a point lies outside its slide, a number occurs twice, or
        points cannot be paired.
    """
    files = _read(fixed), _read(moving)
    for marked, shape in zip(files, shapes or (), strict=False):
        _require_inside(marked, shape)
    first, second = files
    if first.numbers is None or second.numbers is None:
        return _by_line(first, second)
    return _by_number(first, second, first.numbers, second.numbers)


def write_landmarks(path: Path, points_px: Points) -> None:
    """Write points (n, 2) as (y, x) in px, as :func:`read_landmarks` reads them; atomically."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["", "X", "Y"])
    rows.writerows([number, f"{x:.3f}", f"{y:.3f}"] for number, (y, x) in enumerate(points_px, 1))
    atomic_write_bytes(path, text.getvalue().encode())


def _by_line(first: _Marked, second: _Marked) -> PairFile:
    counts = len(first.points), len(second.points)
    if counts[0] != counts[1]:
        raise RegistrationError(
            f"{first.name} has {counts[0]} points and {second.name} {counts[1]}; number them in a "
            "column n of both files, so that it is known which belong together."
        )
    return PairFile(first.points, second.points, tuple(range(1, counts[0] + 1)), "")


def _by_number(
    first: _Marked, second: _Marked, one: tuple[int, ...], other: tuple[int, ...]
) -> PairFile:
    if len(one) == len(other) and min(one) != min(other) and _consecutive(one, other):
        raise RegistrationError(
            f"{first.name} counts from {min(one)} and {second.name} from {min(other)}; number the "
            "points of both alike."
        )
    places = {number: place for place, number in enumerate(other)}
    common = [number for number in one if number in places]
    if not common:
        raise RegistrationError(f"{first.name} and {second.name} have no number in common.")
    kept = np.isin(one, common)
    chosen = [places[number] for number in common]
    note = ""
    if len(common) < max(len(one), len(other)):
        note = (
            f"{len(common)} pairs are used, by their numbers, of {len(one)} points in {first.name} "
            f"and {len(other)} in {second.name}."
        )
    return PairFile(first.points[kept], second.points[chosen], tuple(common), note)


def _consecutive(*numbers: tuple[int, ...]) -> bool:
    return all(max(part) - min(part) == len(part) - 1 for part in numbers)


def _read(path: Path) -> _Marked:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = _columns(path, table.fieldnames or [])
            rows = [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RegistrationError(
            f"{path.name} cannot be read as landmarks: {reason(error)}."
        ) from error
    if not rows:
        raise RegistrationError(f"{path.name} holds no landmarks.")
    points = [_point(path, line, row) for line, row in rows]
    lines = tuple(line for line, _ in rows)
    return _Marked(path.name, np.array(points), _numbers(path, columns, rows), lines)


def _columns(path: Path, names: Sequence[str]) -> str | None:
    """Return the column that numbers the points, if there is one; refuse a file without X and Y."""
    if not {"X", "Y"} <= set(names):
        told = ", ".join(names) or "nothing"
        raise RegistrationError(
            f"{path.name} has no columns X and Y in its first line, which names {told}."
        )
    return next((name for name in names if name.strip().lower() in _NUMBER_COLUMNS), None)


def _point(path: Path, line: int, row: dict[str, str]) -> tuple[float, float]:
    try:
        place = float(row["Y"]), float(row["X"])
    except (TypeError, ValueError):
        place = float("nan"), float("nan")
    if not np.isfinite(place).all():
        raise RegistrationError(f"{path.name}, line {line}: X and Y are not two numbers.")
    return place


def _numbers(
    path: Path, column: str | None, rows: list[tuple[int, dict[str, str]]]
) -> tuple[int, ...] | None:
    """Return the points' numbers; None where the column is missing or holds something else."""
    if column is None:
        return None
    try:
        numbers = tuple(int(row[column]) for _, row in rows)
    except (TypeError, ValueError):
        return None
    for place, (line, _) in enumerate(rows):
        if numbers[place] in numbers[:place]:
            raise RegistrationError(f"{path.name}, line {line}: {numbers[place]} occurs twice.")
    return numbers


def _require_inside(marked: _Marked, shape: Shape) -> None:
    outside = ((marked.points < 0) | (marked.points > shape)).any(axis=1)
    if outside.any():
        place = int(outside.argmax())
        y, x = marked.points[place]
        raise RegistrationError(
            f"{marked.name}, line {marked.lines[place]}: ({x:g}, {y:g}) lies outside the slide, "
            f"which is {shape[1]} × {shape[0]} px."
        )
