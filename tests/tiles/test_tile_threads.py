from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from tile_fakes import wait_until

from napari_virtual_ihc.tiles.threads import Worker, step_back


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


def test_who_waits_for_a_worker_waits_for_its_dying_thread_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[type[BaseException]] = []
    begun: list[int] = []

    def hear_slowly(died: threading.ExceptHookArgs) -> None:
        time.sleep(0.1)
        told.append(died.exc_type)

    def loop() -> None:
        begun.append(len(told))
        if len(begun) == 1:
            raise KeyError("bug")

    monkeypatch.setattr(threading, "excepthook", hear_slowly)
    worker = Worker("dying", loop, lambda _: True)
    worker.start()
    assert wait_until(lambda: len(begun) == 2)
    assert worker.join(5)
    assert told == [KeyError]
    assert begun == [0, 1]


def test_joining_a_worker_at_once_waits_for_the_thread_that_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    begun: list[int] = []

    def loop() -> None:
        begun.append(threading.get_ident())
        time.sleep(0.05)
        if len(begun) == 1:
            raise KeyError("bug")

    before = threading.active_count()
    worker = Worker("dying", loop, lambda _: True)
    worker.start()
    assert worker.join(5)
    assert (len(begun), threading.active_count()) == (2, before)
