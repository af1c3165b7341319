"""The command line as a module, as ``torchrun -m`` starts it."""

from napari_virtual_ihc.cli.app import main

main()
