"""Registration in a child process: the same map, stopped at once, one sentence if it dies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from scenes import BLUE, EOSIN, ArraySource, section, slide_of

from napari_virtual_ihc.errors import Cancelled, RegistrationError
from napari_virtual_ihc.registration.apart import register_apart
from napari_virtual_ihc.registration.register import register
from napari_virtual_ihc.slides.slide import Slide


class Deadly(ArraySource):
    """Ends the process that reads it."""

    def read(self, level, y, x, h, w):
        os._exit(3)


class Slow(ArraySource):
    """Is still being read when the test is over."""

    def read(self, level, y, x, h, w):
        time.sleep(60)
        return super().read(level, y, x, h, w)


def bent(points):
    return points + 30 * np.sin(points[..., ::-1] / 500)


def slides(kind=ArraySource):
    pixels = section(1, EOSIN)
    return Slide("he.png", kind(pixels), 8.0), slide_of(section(1, BLUE, bent), "ihc.png")


def children():
    return psutil.Process().children(recursive=True)


def nothing(done, total):
    pass


@pytest.mark.slow
def test_a_child_finds_the_same_map_and_tells_its_steps():
    told = []
    found = register_apart(*slides(), lambda *step: told.append(step))
    here = register(*slides())
    assert found.mapping.affine.tobytes() == here.mapping.affine.tobytes()
    assert found.stages == here.stages
    assert told[0] == (0, 0)
    assert max(done for done, _ in told) > 0
    assert not children()


def test_cancelling_kills_the_child_within_a_second():
    began = time.monotonic()

    def soon_unwanted(done, total):
        if time.monotonic() - began > 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        register_apart(*slides(Slow), soon_unwanted)
    assert time.monotonic() - began < 2
    assert not children()


def test_a_child_that_dies_is_one_sentence():
    with pytest.raises(RegistrationError, match=r"ended early: exit code 3\.$"):
        register_apart(*slides(Deadly), nothing)


def test_a_refusal_arrives_as_it_was_raised():
    blank = slide_of(np.full((320, 320, 3), 242, np.uint8), "blank.png")
    with pytest.raises(RegistrationError, match=r"blank\.png shows no tissue"):
        register_apart(slides()[0], blank, nothing)


def test_a_slide_that_cannot_be_sent_is_named():
    fixed, moving = slides()
    fixed.source.lock = threading.Lock()
    with pytest.raises(RegistrationError, match=r"he\.png or ihc\.png cannot be handed"):
        register_apart(fixed, moving, nothing)


def test_a_child_ends_with_its_parent():
    words = "import test_apart as t; t.register_apart(*t.slides(t.Slow), t.nothing)"
    parent = subprocess.Popen(
        [sys.executable, "-c", words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    with parent:
        parent_of = psutil.Process(parent.pid)
        assert _until(lambda: bool(parent_of.children()), 20)
        child = parent_of.children()[0]
        parent.kill()
    assert _until(lambda: not child.is_running(), 10)


def _until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
