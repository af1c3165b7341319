"""The legend of a map stays within its canvas, and takes less of a narrow one."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QWidget

from napari_virtual_ihc.comparison.comparability import COMPARABILITY
from napari_virtual_ihc.widgets.legend import Legend


@pytest.mark.parametrize(("canvas", "width"), [(900, 210), (364, 170), (120, 100)])
def test_a_narrow_canvas_has_a_small_legend(qapp: object, canvas: int, width: int) -> None:
    widget = QWidget()
    widget.resize(canvas, 400)
    legend = Legend(widget)
    legend.show_scale(COMPARABILITY)
    assert legend.width() == width
    assert widget.rect().contains(legend.geometry())
    rows = len(COMPARABILITY.classes)
    assert legend.height() > rows * (16 if canvas == 900 else 13)
    widget.deleteLater()
