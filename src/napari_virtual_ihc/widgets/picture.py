"""Pictures of the canvas, marked for good where they show virtual pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, PngImagePlugin

from napari_virtual_ihc.comparison.marking import burn_mark
from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY
from napari_virtual_ihc.widgets.virtual import banner_in_view, virtual_in_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.viewer import Viewer
    from napari.window import Window
    from qtpy.QtWidgets import QComboBox


def export_picture(viewer: ViewerModel, path: Path) -> Path:
    """Write the canvas as it is to a PNG; virtual pixels bring their mark and their provenance.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    rgb = np.ascontiguousarray(viewer.screenshot(canvas_only=True, flash=False)[..., :3])
    info = virtual_in_view(viewer)
    words = PngImagePlugin.PngInfo()
    if info is not None:
        rgb = burn_mark(rgb, banner_in_view(viewer))
        words.add_text("Description", f"Virtual {info.marker}. {RESEARCH_USE_ONLY}")
        words.add_text("Source", f"model {info.model}, slide {info.slide}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(path, format="PNG", pnginfo=words)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error}.") from error
    return path


def grab_open_box(window: Window, box: QComboBox, path: Path) -> None:
    """Write a picture of a window in which a box shows all its choices."""
    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QPainter
    from qtpy.QtWidgets import QApplication

    main = window._qt_window
    box.showPopup()
    QApplication.processEvents()
    picture = main.grab()
    choices = box.view().window()
    place = main.mapFromGlobal(choices.mapToGlobal(QPoint(0, 0)))
    painter = QPainter(picture)
    painter.drawPixmap(place, choices.grab())
    painter.end()
    box.hidePopup()
    picture.save(str(path))


def export_picture_dialog(viewer: Viewer) -> None:
    """Ask where to, then write the canvas as a marked picture; a napari command."""
    from napari.utils.notifications import show_error, show_info
    from qtpy.QtWidgets import QFileDialog

    chosen, _ = QFileDialog.getSaveFileName(None, "Export the view", "view.png", "PNG (*.png)")
    if not chosen:
        return
    try:
        path = export_picture(viewer, Path(chosen).with_suffix(".png"))
    except ExportError as error:
        show_error(str(error))
        return
    show_info(f"Written: {path}")
