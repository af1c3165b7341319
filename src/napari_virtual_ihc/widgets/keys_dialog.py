"""All keys in a small window beside the dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.keys import keys_table

_WIDTH, _HEIGHT = 420, 560


def show_keys(parent: QWidget) -> QDialog:
    """Open a window with every key and what it does; it goes when it is closed."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("Virtual IHC: keys")
    text = QTextBrowser()
    text.setMarkdown(keys_table())
    QVBoxLayout(dialog).addWidget(text)
    dialog.resize(_WIDTH, _HEIGHT)
    dialog.show()
    return dialog
