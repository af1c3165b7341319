from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_virtual_ihc.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["models", *words, "--json"]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {"schema", "command", "version"} <= set(content)
    return content


def test_a_checkpoint_becomes_a_listed_model(
    private_home: Path,
    tmp_path: Path,
    state: dict[str, torch.Tensor],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(state, path)
    facts = ["--name", "mine", "--mpp", "0.4661", "--marker", "Ki67"]
    told = printed(capsys, "import", str(path), *facts)
    assert told["folder"] == str(private_home / "models" / "mine")
    assert told["card"]["tissue"] == "unknown"
    listed = {m["name"]: m for m in printed(capsys, "list")["models"]}
    assert listed["mine"]["marker"] == "Ki67"
    assert printed(capsys, "inspect", "mine")["card"]["mpp_in"] == 0.4661
    assert run(["models", "import", str(path), *facts]) == 1
    assert "exists already" in capsys.readouterr().err


def test_people_get_lines(
    private_home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, private_home / "models" / "small")
    (private_home / "models" / "hollow").mkdir()
    assert run(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("small" in line and "HER2" in line and "0.5 µm/px" in line for line in lines)
    assert any("hollow" in line and "cannot be used" in line for line in lines)
    assert run(["models", "inspect", "small"]) == 0
    assert "dependency radius" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["inspect", "absent"], 1, "'absent'"),
        (["import", "absent.pth", "--name", "x", "--mpp", "1", "--marker", "ER"], 1, "absent.pth"),
        (["import", "a.pth", "--name", "x", "--marker", "ER"], 2, "--mpp"),
        (
            [
                "import",
                "a.pth",
                "--name",
                "x",
                "--mpp",
                "1",
                "--marker",
                "ER",
                "--out",
                "o",
                "--library",
                "l",
            ],
            2,
            "not both",
        ),
    ],
)
def test_wrong_use_and_failures_have_their_exit_codes(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", *words]) == code
    assert told in capsys.readouterr().err
