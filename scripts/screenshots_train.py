"""Take the pictures of the Train page: a short training on synthetic pairs, from form to model."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.pairs import PairPlan, write_pairs
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.show import Shown, open_window
from napari_virtual_ihc.widgets.train import jobs as train_jobs
from napari_virtual_ihc.widgets.train.controller import TrainController

if TYPE_CHECKING:
    from collections.abc import Callable

SLIDE_SEED, SIDE_PX, MPP, MARKER = 7, 3072, 0.5, "Ki-67"
PAIRS, PAIR_PX, PAIRS_SEED = 80, 256, 3
STEPS = 1200
SWITCHES = {"batch_size": 2}
WINDOW_PX = 1100, 940
PATIENCE_S = 1800.0


class Album:
    """Takes pictures of a window.

    Parameters
    ----------
    shown
        The window.
    out
        Folder of the pictures.
    """

    def __init__(self, shown: Shown, out: Path) -> None:
        self.shown, self.out = shown, out
        self.page = next(p for p in shown.dock.pages if isinstance(p, TrainController))

    def wait(self, come: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Run the window until ``come`` is true."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while not come():
            if time.monotonic() > end:
                raise TimeoutError(f"Nothing came of it: {self.page.state.error or 'no error'}.")
            QApplication.processEvents()
            time.sleep(0.01)

    def rest(self, seconds: float = 0.6) -> None:
        """Run the window for a while."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def take(self, name: str, *, whole: bool = False) -> None:
        """Write a picture of the dock, or of the whole window."""
        self.rest()
        path = self.out / f"train-{name}.png"
        if whole:
            self.shown.viewer.screenshot(str(path), canvas_only=False, flash=False)
        else:
            self.shown.dock.grab().save(str(path))
        picture = Image.open(path).convert("RGB")
        small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        print(path, file=sys.stderr)


def main() -> None:
    """Write the pictures into the folder of the first argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VIRTUAL_IHC_HOME"] = str(Path(folder) / "home")
        pairs = make_pairs(Path(folder) / "breast-Ki-67")
        shown = open_window([Phantom(SLIDE_SEED, SIDE_PX, SIDE_PX).he()])
        shown.viewer.window.resize(*WINDOW_PX)
        shown.translate.translation.set_live(False)
        album = Album(shown, arguments.out)
        fill_in(album, pairs)
        watch(album, arguments.steps)
        shown.viewer.close()


def make_pairs(folder: Path) -> Path:
    """Write pairs, a few of which have something wrong with them."""
    write_pairs(folder, PairPlan(PAIRS, PAIR_PX, PAIRS_SEED, MARKER, MPP))
    first, second, third = sorted((folder / MARKER / "train").iterdir())[:3]
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    Image.new("RGB", (64, 64), "white").save(third)
    return folder


def fill_in(album: Album, pairs: Path) -> None:
    """Show the empty form, the checked data, and the switches."""
    page = album.page
    album.shown.dock.show_page("Train")
    album.wait(lambda: page.state.catalogue)
    album.take("empty")
    for name, value in {"data": str(pairs), "mpp": "0.5", "marker": MARKER}.items():
        page.filling.set_field(name, value)
    page.filling.set_field("preset", "demo")
    album.wait(lambda: page.state.check)
    album.take("form")
    page.view.form.switches_fold.set_open(True)
    page.filling.set_row("w/o GP")
    album.take("switches")
    page.filling.reset()
    page.view.form.switches_fold.set_open(False)
    page.view.form.more.set_open(True)
    album.take("machine")
    page.view.form.more.set_open(False)


def watch(album: Album, steps: int) -> None:
    """Train for a while, stop, go on, and find the model on the Translate page."""
    page = album.page
    page.filling.set_field("steps", str(steps))
    for name, value in SWITCHES.items():
        page.filling.set_switch(name, value)
    album.wait(lambda: page.state.ready)
    page.training.start()
    album.wait(lambda: page.state.row and (page.state.row.sentence or page.state.row.step))
    album.wait(lambda: page.state.row.sentence or page.state.row.step > steps // 2)
    album.wait(lambda: page.state.row.sentence or page.state.detail.samples)
    album.take("running")
    page.training.act("stop")
    album.wait(lambda: page.state.row.state == "stopped" and not page.state.activity)
    album.take("stopped")
    page.training.act("resume")
    album.wait(lambda: page.state.row.state == "finished")
    album.take("finished")
    failing = Path(page.state.chosen).with_name("cut-HER2")
    words = ["--data=/slides/breast-HER2", "--mpp=0.5", f"--out={failing}", "--method=cut"]
    train_jobs.start(["train", "--marker=HER2", *words], failing)
    album.wait(lambda: len(page.state.runs) == 2)
    album.wait(lambda: page.state.runs[0].state == "failed")
    album.wait(lambda: not page.state.activity)
    page.training.choose(str(page.state.runs[0].path))
    album.take("failed")
    album.shown.dock.show_page("Translate")
    name = page.state.runs[1].name
    album.wait(lambda: album.shown.translate.view.models.findData(name) >= 0)
    album.shown.translate.translation.set_model(name)
    album.shown.translate.translation.set_live(True)
    wait_until_settled(album.shown.session)
    album.take("translate", whole=True)


if __name__ == "__main__":
    main()
