"""Ways to run a network: torch everywhere, OpenVINO on Intel CPUs.

Importing OpenVINO would report its use over the network, from a forked process: nothing here may
phone home, and a fork beside threads that use BLAS can hang for ever. OpenVINO goes without its
telemetry where that package cannot be imported, so it is made unimportable here, first.
"""

from __future__ import annotations

import sys
from typing import Any, cast

cast("dict[str, Any]", sys.modules).setdefault("openvino_telemetry", None)
