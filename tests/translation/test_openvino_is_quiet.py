from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

_SCRIPT = """
import os
forks = []
os.register_at_fork(before=lambda: forks.append(1))
import napari_virtual_ihc.translation.backends.openvino_backend
from openvino.tools.ovc import telemetry_utils
assert telemetry_utils.tm.__name__.endswith("telemetry_stub"), telemetry_utils.tm
assert not forks
"""


def test_importing_openvino_forks_nothing_and_reports_nothing() -> None:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
