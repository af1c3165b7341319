"""The command ``virtual-ihc``: one file per group of commands, no logic."""

from napari_virtual_ihc.cli.app import main

__all__ = ["main"]
