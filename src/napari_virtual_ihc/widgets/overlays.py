"""Canvas overlays: the VIRTUAL banner, the magnification and the scale bar.

They are napari canvas overlays under names of our own, so every picture of the canvas has them and
the user's own text overlay stays free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.components.overlays import TextOverlay

OVER = "REAL slide over "
"""Before a banner's words where a slide lies over the virtual pixels."""
BANNER = "virtual_ihc_banner"
MAGNIFICATION = "virtual_ihc_magnification"
_POINTS, _FEWEST_POINTS = 10.0, 8.0
_WIDTH_PER_POINT = 0.95
BANNER_RGBA = (0.43, 0.09, 0.42, 0.95)


def banner_text(marker: str, model: str, where: str = "") -> str:
    """Return the words of the banner for pixels of ``marker`` made by ``model``.

    ``where`` says where in the picture they are, such as ``"left of the line"``.
    """
    seen = f" {where}" if where else ""
    return f"VIRTUAL {marker}{seen} · {model} · research use only"


def fit_banner(text: str, width: int) -> tuple[str, float]:
    """Return the banner's text, broken into lines, and its font size, to fit ``width`` px.

    Glyphs are drawn anew in every frame, at a cost by their area: without a graphics card those
    of 13 points take three times as long as those of 10.
    """
    broken = text.replace(" · ", "\n")
    for lines in (text, broken):
        longest = max((len(line) for line in lines.splitlines()), default=0)
        if longest * _POINTS * _WIDTH_PER_POINT < width:
            return lines, _POINTS
    return broken, _FEWEST_POINTS


def show_banner(viewer: ViewerModel, text: str) -> None:
    """Show ``text`` as the banner, or none where ``text`` is empty."""
    overlay = _text_overlay(viewer, BANNER)
    fitted, size = fit_banner(text, int(viewer.canvas.size[1]))
    if overlay.text != fitted:
        overlay.text = fitted
    if overlay.font_size != size:
        overlay.font_size = size
    overlay.visible = bool(text)


def show_magnification(viewer: ViewerModel, text: str) -> None:
    """Show ``text`` at the scale bar, or nothing where it is empty."""
    overlay = _text_overlay(viewer, MAGNIFICATION)
    if overlay.text != text:
        overlay.text = text
    overlay.visible = bool(text)


def show_scale_bar(viewer: ViewerModel) -> None:
    """Show napari's scale bar at the bottom left, and above it the magnification."""
    bar = viewer.canvas.overlays.scale_bar
    bar.position = "bottom_left"
    bar.font_size = 11
    bar.visible = True
    viewer.canvas.overlay_tiling.bottom_left = "vertical"


def _text_overlay(viewer: ViewerModel, name: str) -> TextOverlay:
    overlays = viewer.canvas.overlays
    if name not in overlays:
        overlays[name] = _new_banner() if name == BANNER else _new_magnification()
    overlay: TextOverlay = overlays[name]
    return overlay


def _new_banner() -> TextOverlay:
    from napari.components.overlays import TextOverlay

    return TextOverlay(
        position="top_center", font_size=_POINTS, color="white", box=True, box_color=BANNER_RGBA
    )


def _new_magnification() -> TextOverlay:
    from napari.components.overlays import TextOverlay

    return TextOverlay(position="bottom_left", font_size=11)
