from __future__ import annotations

import os
import sys
import threading

import pytest

from napari_virtual_ihc.tiles.threads import step_back


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux only")
def test_stepping_back_concerns_the_calling_thread_alone() -> None:
    before = os.getpriority(os.PRIO_PROCESS, os.getpid())
    seen: list[int] = []

    def work() -> None:
        step_back(3)
        step_back(3)
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(before + 3, 19)]
    assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == before
