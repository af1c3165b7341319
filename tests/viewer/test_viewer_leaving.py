"""A script that ends with a window open, or just closed, ends without a word or a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, time
atexit.register(lambda: print("left working" if work.running() else "left in order"))
import napari
from qtpy.QtWidgets import QApplication
from napari_virtual_ihc.widgets.dock import VirtualIhcDock
from napari_virtual_ihc.widgets.work import Work
viewer = napari.Viewer()
dock = VirtualIhcDock(viewer)
viewer.window.add_dock_widget(dock, name="Virtual IHC")
for page in dock.pages:
    dock.show_page(page.title)
    QApplication.processEvents()
work = Work(lambda _progress: time.sleep(0.5), "sleeps").start()
if "closed" in sys.argv:
    viewer.close()
"""


@pytest.mark.skipif(
    sys.platform.startswith("linux") and not os.environ.get("DISPLAY"), reason="no display"
)
@pytest.mark.parametrize("how", ["open", "closed"])
def test_a_script_leaves_in_order(how: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, timeout=120
    )
    assert (found.returncode, found.stdout.strip()) == (0, "left in order")
    assert not [
        line for line in found.stderr.splitlines() if "Error" in line or "QThread" in line
    ], found.stderr
