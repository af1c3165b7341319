"""Take the pictures of the README: the demo's tour of the synthetic slide, shrunk to fit a page."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.widgets.show import open_window
from napari_virtual_ihc.widgets.tour import Tour

SEED, SIDE_PX = 7, 3072
WIDEST = 1500


def main() -> None:
    """Write the pictures into the folder of the first argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="demo")
    arguments = parser.parse_args()
    phantom = Phantom(SEED, SIDE_PX, SIDE_PX)
    with tempfile.TemporaryDirectory() as folder:
        shown = open_window([phantom.he(), phantom.ihc()], arguments.model)
        pictures = Tour(shown, Path(folder), lambda words: print(words, file=sys.stderr)).run()
        shown.viewer.close()
        save_all(pictures, arguments.out)


def save_all(pictures: list[Path], out: Path) -> None:
    """Write every picture, and the two at 20× side by side."""
    out.mkdir(parents=True, exist_ok=True)
    named = {path.stem: Image.open(path).convert("RGB") for path in pictures}
    for name, picture in named.items():
        save(picture, out / f"{name}.png")
    save(beside(named["he-20x"], named["virtual-20x"]), out / "he-and-virtual-20x.png")


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Return two pictures side by side, white between them; the lower one is padded."""
    height = max(left.height, right.height)
    whole = np.full((height, left.width + right.width + 8, 3), 255, np.uint8)
    whole[: left.height, : left.width] = np.asarray(left)
    whole[: right.height, left.width + 8 :] = np.asarray(right)
    return Image.fromarray(whole)


def save(
    picture: Image.Image, path: Path, method: Image.Quantize = Image.Quantize.MEDIANCUT
) -> None:
    """Write a picture with 256 colours, chosen by ``method``, no wider than a page shows."""
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    picture.quantize(256, method=method).save(path, optimize=True)


if __name__ == "__main__":
    main()
