from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.cli.output import emit

if TYPE_CHECKING:
    import pytest

PROTOCOL = "20 windows of an unseen phantom, " * 12
CARD: dict[str, Any] = {
    "name": "demo",
    "figures": {"pearson": 0.91237, "protocol": PROTOCOL},
    "known_limits": [PROTOCOL, "one slide"],
    "weights_sha256": "0" * 64,
}


def test_lines_for_people_fit_the_terminal_and_lose_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    emit(CARD, False)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 90
    assert out.split().count("phantom,") == 24
    assert lines[1].split() == ["figures", "pearson", "0.9124"]
    assert lines[2].split()[0] == "protocol"
    assert lines[-1].split() == ["weights", "sha256", "0" * 64]


def test_programs_get_one_whole_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    emit(CARD, True)
    out = capsys.readouterr().out
    assert json.loads(out) == CARD
    assert len(out.splitlines()) == 1
