from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.comparison.report_folder import require_new, whole, write_flushed
from napari_virtual_ihc.errors import ExportError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_appears_when_all_is_written(tmp_path: Path) -> None:
    place = tmp_path / "more" / "out"
    with whole(place) as draft:
        write_flushed(draft / "a", b"1")
        assert not place.exists()
    assert (place / "a").read_bytes() == b"1"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert (place / "a").stat().st_mode == plain.stat().st_mode
    assert os.listdir(place.parent) == ["out"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        with whole(folder) as draft:
            write_flushed(draft / "a", b"1")
            raise OSError(28, "the disk is full")

    with pytest.raises(ExportError, match=r"out cannot be written: the disk is full\."):
        fill(tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    require_new(tmp_path / "empty")
    with whole(tmp_path / "empty") as draft:
        write_flushed(draft / "a", b"1")
    with pytest.raises(ExportError, match="empty is not empty; give another"):
        require_new(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="is a file"):
        require_new(tmp_path / "file")
    with pytest.raises(ExportError, match="cannot be made in"):
        require_new(tmp_path / "file" / "out")
