"""What every output says of itself: schema, command and version; research use only."""

from __future__ import annotations

from typing import Any

from napari_virtual_ihc import __version__

RESEARCH_USE_ONLY = "Virtual stain computed by a model. Research use only."


def stamp(schema: str, command: str) -> dict[str, Any]:
    """Return the three fields every JSON file of this package begins with.

    Parameters
    ----------
    schema
        Name and version of the layout, such as ``"virtual-ihc/model/1"``.
    command
        The command or widget action that wrote the file, without paths.
    """
    return {"schema": schema, "command": command, "version": __version__}
