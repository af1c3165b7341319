"""Shared fixtures: a private home per test, and the reference data where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _reference_folder() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("VIRTUAL_IHC_REFERENCE", beside))


def _present(name: str) -> Path:
    folder = _reference_folder() / name
    if not folder.is_dir():
        pytest.skip(f"reference data folder {name!r} is not present (set VIRTUAL_IHC_REFERENCE)")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return _present("data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    return _present("golden")


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("VIRTUAL_IHC_HOME", str(folder))
    return folder
