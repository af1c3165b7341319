"""Points of two files are paired by their numbers, and what cannot be paired is refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration.landmark_files import read_pairs, write_landmarks

POINTS = np.arange(20.0).reshape(10, 2)


def files(folder, first, second):
    for name, text in (("he.csv", first), ("ihc.csv", second)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "he.csv", folder / "ihc.csv"


def table(numbers, header="", points=POINTS):
    rows = (f"{n},{points[n][1]},{points[n][0]}\n" for n in numbers)
    return f"{header},X,Y\n" + "".join(rows)


def test_a_point_left_out_shifts_no_other_pair(tmp_path):
    pairs = read_pairs(*files(tmp_path, table(range(10)), table([9, 0, 1, 2, 4, 5])))
    np.testing.assert_array_equal(pairs.fixed, pairs.moving)
    assert pairs.names == (0, 1, 2, 4, 5, 9)
    assert pairs.note == (
        "6 pairs are used, by their numbers, of 10 points in he.csv and 6 in ihc.csv."
    )
    for name in ("he.csv", "ihc.csv"):
        write_landmarks(tmp_path / name, POINTS)
    assert read_pairs(tmp_path / "he.csv", tmp_path / "ihc.csv").note == ""


def test_without_numbers_lines_belong_together_and_counts_must_agree(tmp_path):
    plain = "Y,X\n1,2\n3,4\n"
    pairs = read_pairs(*files(tmp_path, plain, table([5, 3])))
    np.testing.assert_array_equal(pairs.moving, POINTS[[5, 3]])
    with pytest.raises(RegistrationError, match=r"he\.csv has 2 points and ihc\.csv 3"):
        read_pairs(*files(tmp_path, plain, table([1, 2, 3])))


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ("x,y\n1,2\n", r"ihc\.csv has no columns X and Y in its first line, which names x, y"),
        ("", "names nothing"),
        (",X,Y\n", "holds no landmarks"),
        (",X,Y\n0,1,2\n\n1,a,2\n", r"ihc\.csv, line 4: X and Y are not two numbers"),
        (",X,Y\n0,1\n", r"ihc\.csv, line 2: X and Y are not two numbers"),
        (",X,Y\n0,1,2\n0,3,4\n", "line 3: 0 occurs twice"),
        (",X,Y\n0,1,2\n1,31,4\n", r"line 3: \(31, 4\) lies outside the slide, which is 30 × 40 px"),
        (",X,Y\n12,1,2\n", "no number in common"),
        (table(range(10)).replace("\n0,", "\n10,"), "counts from"),
    ],
)
def test_what_cannot_be_paired_is_named(tmp_path, second, why):
    with pytest.raises(RegistrationError, match=why):
        read_pairs(*files(tmp_path, table(range(10)), second), ((40, 30), (40, 30)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RegistrationError, match=r"no\.csv cannot be read as landmarks: No such"):
        read_pairs(tmp_path / "no.csv", tmp_path / "no.csv")
