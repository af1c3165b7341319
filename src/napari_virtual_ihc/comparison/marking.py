"""Words burned into pictures, so that they stay with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

STRIP, FONT = 26, 15
STRIP_RGB, WORDS_RGB, PLAIN_RGB = (110, 23, 107), (255, 255, 255), (70, 70, 70)
_FEWEST = 8
_BAR_SHARE = 0.35
_BAR_MM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def burn_mark(rgb: Rgb, words: str, strip: tuple[int, int, int] = STRIP_RGB) -> Rgb:
    """Return the picture (YX3) with ``words`` in a strip under it.

    Words that are too long for the picture are set smaller, then broken at their dots.
    """
    height, width = rgb.shape[:2]
    lines, font = _fitted(words, width - 8)
    picture = Image.new("RGB", (width, height + STRIP * len(lines)), strip)
    picture.paste(Image.fromarray(rgb), (0, 0))
    for index, line in enumerate(lines):
        place = (width // 2, height + STRIP // 2 + STRIP * index)
        ImageDraw.Draw(picture).text(place, line, fill=WORDS_RGB, font=font, anchor="mm")
    return np.asarray(picture)


def burn_scale(rgb: Rgb, mpp: float) -> Rgb:
    """Return the picture with a bar of a round length in mm at its bottom left.

    Parameters
    ----------
    mpp
        Scale of the picture, µm/px.
    """
    most = _BAR_SHARE * rgb.shape[1] * mpp / 1000
    fitting = [length for length in _BAR_MM if length <= most]
    if not fitting:
        return rgb
    length = round(fitting[-1] * 1000 / mpp)
    picture = Image.fromarray(rgb)
    drawn = ImageDraw.Draw(picture)
    bottom = rgb.shape[0] - 8
    drawn.rectangle((6, bottom - 24, 18 + length, bottom + 4), fill=(255, 255, 255))
    drawn.rectangle((12, bottom - 4, 12 + length, bottom - 1), fill=(0, 0, 0))
    words = f"{fitting[-1]:g} mm"
    font = ImageFont.load_default(13)
    place = (12 + length // 2, bottom - 7)
    drawn.text(place, words, fill=(0, 0, 0), font=font, anchor="ms")
    return np.asarray(picture)


def _fitted(words: str, width: int) -> tuple[list[str], ImageFont.FreeTypeFont]:
    for size in range(FONT, _FEWEST, -1):
        font = _font(size)
        if font.getlength(words) <= width:
            return [words], font
    lines = words.split(" · ")
    for size in range(FONT, _FEWEST, -1):
        if all(_font(size).getlength(line) <= width for line in lines):
            return lines, _font(size)
    return lines, _font(_FEWEST)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
