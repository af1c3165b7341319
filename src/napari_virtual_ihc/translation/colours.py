"""The colours of a slide as one: CIELAB over its tissue, from which a diffusion moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.lab import LabStatistics, lab_statistics
from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.translation import sites
from napari_virtual_ihc.translation.calibration import Statistics

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.slide import Slide

_LAYER = "lab"


def collect_colours(slide: Slide, mpp: float) -> Statistics:
    """Return CIELAB of the tissue of windows spread over the whole slide; see `lab_of`."""
    pixels = []
    windows = sites.read_sites(slide, mpp)
    for window in windows:
        rgb = window.transpose(1, 2, 0)
        mask = tissue_mask(rgb, mpp, slide.background)
        if mask.any():
            pixels.append(rgb[mask])
    if not pixels:
        return Statistics({}, 0)
    found = lab_statistics(pixels)
    mean, std = np.array(found.mean, np.float32), np.array(found.std, np.float32)
    return Statistics({_LAYER: (mean, std**2)}, len(windows))


def lab_of(found: Statistics) -> LabStatistics:
    """Return the colours that `collect_colours` measured."""
    mean, var = found.layers[_LAYER]
    return LabStatistics(_three(mean.tolist()), _three(np.sqrt(var).tolist()))


def _three(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
