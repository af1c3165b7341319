"""Cases of the published implementations: inputs, weights, outputs and gradients."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """One case of the index: its arguments, tensors and tolerance."""

    folder: Path
    entry: dict[str, Any]

    @property
    def args(self) -> dict[str, Any]:
        return self.entry["args"]

    def tensors(self) -> dict[str, Tensor]:
        with np.load(self.folder / self.entry["files"]["npz"]) as file:
            return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}

    def state(self, prefix: str = "") -> dict[str, Tensor]:
        state = load_file(self.folder / self.entry["files"]["weights_safetensors"])
        return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

    def file(self, kind: str) -> Path:
        return self.folder / self.entry["files"][kind]

    def check(self, ours: Tensor, reference: Tensor) -> None:
        tolerance = self.entry["tolerance"]
        assert ours.shape == reference.shape
        torch.testing.assert_close(
            ours.detach(), reference, rtol=tolerance["rtol"], atol=tolerance["atol"]
        )

    def check_gradient(self, ours: Tensor, reference: Tensor) -> None:
        assert ours.shape == reference.shape
        error = (ours - reference).abs().max()
        assert error <= self.entry["tolerance"]["grad_rel_to_max"] * reference.abs().max()


def _folder() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("VIRTUAL_IHC_REFERENCE", beside)) / "golden"


def _cases(pattern: str) -> list[Any]:
    index = _folder() / "index.json"
    if not index.is_file():
        reason = "reference data folder 'golden' is not present (set VIRTUAL_IHC_REFERENCE)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    entries = json.loads(index.read_text())["cases"]
    found = [e for e in entries if re.match(pattern, e["id"])]
    assert found, f"no golden case matches {pattern}"
    return [pytest.param(Case(index.parent, e), id=e["id"]) for e in found]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden(pattern): run once per reference case of that name")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("golden")
        assert marker is not None
        metafunc.parametrize("case", _cases(marker.args[0]))


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
