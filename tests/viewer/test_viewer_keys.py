from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.keys import KEYS, keys_table

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_no_key_is_one_of_naparis() -> None:
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    theirs = {str(coerce_keybinding(key)) for keys in default_shortcuts.values() for key in keys}
    ours = {str(coerce_keybinding(key.key)) for key in KEYS}
    assert not ours & theirs


def test_no_key_is_one_of_the_layers_a_review_is_made_of() -> None:
    from napari.layers import Image, Points, Shapes
    from napari.utils.key_bindings import coerce_keybinding

    ours = {coerce_keybinding(key.key) for key in KEYS}
    parts = {part for kind in (Image, Points, Shapes) for part in kind.__mro__}
    theirs = {key for part in parts for key in getattr(part, "class_keymap", {})}
    assert theirs
    assert not ours & theirs


def test_no_key_does_two_things() -> None:
    assert len({key.key for key in KEYS}) == len(KEYS)


def test_the_table_names_every_key() -> None:
    table = keys_table()
    assert all(f"`{key.key}`" in table and key.what in table for key in KEYS)


def test_the_table_is_shown_in_a_window_of_its_own(qtbot: QtBot) -> None:
    from qtpy.QtWidgets import QTextBrowser, QWidget

    from napari_virtual_ihc.widgets.keys_dialog import show_keys

    parent = QWidget()
    qtbot.addWidget(parent)
    text = show_keys(parent).findChild(QTextBrowser).toPlainText()
    assert all(key.what in text for key in KEYS)


def test_readme_has_the_table() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert keys_table() in readme.read_text(encoding="utf-8")
