"""Take the README's pictures of a review: registration, views, map, numbers, report."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image
from screenshots import SEED, SIDE_PX, save

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.widgets.review_tour import ReviewTour
from napari_virtual_ihc.widgets.show import open_window
from napari_virtual_ihc.widgets.tour import Tour

_MAPPED = ("review-4", "review-5", "review-6")


def main() -> None:
    """Write the pictures into the folder of the first argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="demo")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    phantom = Phantom(SEED, SIDE_PX, SIDE_PX)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        shown = open_window([phantom.he(), phantom.ihc("next")], arguments.model)
        Tour(shown, folder, _say).look_closely()
        pictures = ReviewTour(shown, folder, _say).run()
        shown.viewer.close()
        report = [folder / "report" / name for name in ("region.png", "plots.png")]
        for path in (*pictures, *report):
            name = path.name if path in pictures else f"review-report-{path.name}"
            save(Image.open(path).convert("RGB"), arguments.out / name, _method(name))


def _method(name: str) -> Image.Quantize:
    """Return how colours are chosen: those of a map's legend stay what they are."""
    mapped = name.startswith(_MAPPED)
    return Image.Quantize.FASTOCTREE if mapped else Image.Quantize.MEDIANCUT


def _say(words: str) -> None:
    print(words, file=sys.stderr)


if __name__ == "__main__":
    main()
