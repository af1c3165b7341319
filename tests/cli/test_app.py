from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc import __version__
from napari_virtual_ihc.cli.app import DONE, FAILED, WRONG_USE, run

if TYPE_CHECKING:
    from pathlib import Path


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == DONE
    told = capsys.readouterr().out
    commands = ("demo", "view", "translate", "verify", "train", "resume", "runs", "phantom")
    assert all(name in told for name in (*commands, "models", "cache", "doctor"))


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == DONE
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["translate"],
        ["phantom", "--size", "x"],
        ["data", ".", "--mpp", "nan"],
        ["data", ".", "--mpp", "-1"],
        ["runs", "no-such-folder"],
        ["translate", "a.svs", "b.ome.zarr", "--model", "demo", "--region", "0,0,nan,inf"],
        ["translate", "a.svs", "b.ome.zarr", "--model", "demo", "--mpp", "-1"],
        ["models", "import", "a.pth", "--name", "demo", "--mpp", "1", "--marker", "ER"],
    ],
)
def test_wrong_words_are_wrong_use(words: list[str]) -> None:
    assert run(words) == WRONG_USE


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_virtual_ihc.models.library.Library.list", interrupt)
    assert run(["models", "list"]) == FAILED
    assert "run the same command again" in capsys.readouterr().err


def test_a_file_that_is_no_slide_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("not a slide")
    words = ["translate", str(path), str(tmp_path / "out.ome.zarr"), "--model", "demo"]
    assert run(words) == FAILED
    told = capsys.readouterr()
    assert "notes.svs" in told.err
    assert "Traceback" not in told.err
    assert not told.out


def test_doctor_gives_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["version"] == __version__
