"""A model's card to read: what it is, what it was trained on, how good it is and where it ends."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtGui import QTextCursor
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard


def card_html(card: ModelCard) -> str:
    """Return the card as HTML, figures with their protocols."""
    facts = {
        "Marker": card.marker,
        "Tissue": card.tissue,
        "Method": card.method,
        "Trained on": card.data_regime,
        "Reads / gives": f"{card.mpp_in:.3g} / {card.mpp_out:.3g} µm/px",
        "Tiling": f"{card.tiling}, statistics: {card.default_statistics}",
        "Licence": card.licence,
    }
    rows = "".join(
        f"<tr><td><b>{name}</b>&nbsp;&nbsp;</td><td>{escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    figures = "".join(
        f"<tr><td>{escape(figure.name)}&nbsp;&nbsp;</td><td align='right'>{figure.value:.3g}"
        f"&nbsp;&nbsp;</td><td>{escape(figure.protocol)}</td></tr>"
        for figure in card.validation
    )
    measured = f"<h4>Measured</h4><table>{figures}</table>" if figures else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in card.notes)
    return (
        f"<h3>{escape(card.name)}</h3><table>{rows}</table>{measured}"
        f"<h4>Limits</h4><p>{escape(card.intended_use)}</p>{notes}"
    )


def show_html(
    parent: QWidget, title: str, html: str, accept: str = "", *, at_end: bool = False
) -> bool:
    """Show ``html`` in a dialog until it is closed.

    Parameters
    ----------
    accept
        Words of a button beside “Close”.
    at_end
        Show the end first.

    Returns
    -------
    Whether that button was pressed.
    """
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    text = QTextBrowser()
    text.setHtml(html)
    if at_end:
        text.moveCursor(QTextCursor.MoveOperation.End)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    if accept:
        buttons.addButton(accept, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(dialog.accept)
    layout = QVBoxLayout(dialog)
    layout.addWidget(text)
    layout.addWidget(buttons)
    dialog.resize(520, 420)
    pressed = dialog.exec() == QDialog.DialogCode.Accepted
    dialog.deleteLater()
    return bool(pressed)
