"""What the Translate page shows, without Qt: its state, its sentences, its counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.widgets.translate.trust_model import OFF

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.translate.region_numbers import RegionNumbers

NO_SLIDE = "Open an H&E slide, or try the sample pair (File > Open Sample > Virtual IHC)."
NO_MODEL = "No model is installed: import a checkpoint with “virtual-ihc models import”."
NO_SCALE = "This slide states no µm/px: type it above, then it can be translated."
_MEGABYTE = 1e6
_EARLIEST_S, _LEAST_SHARE = 2.0, 0.01
_SAME_SCALE = 1.1
_TOO_COARSE = 1.5


class TileCounts(NamedTuple):
    """Tiles of the present view (or of the slide, when it is filled), changed as one.

    Attributes
    ----------
    rate
        Tiles finished per second of late.
    step, steps
        Steps done of the tile being made, and in all; 0 where one pass makes it.
    """

    done: int = 0
    wanted: int = 0
    failed: int = 0
    rate: float = 0.0
    step: int = 0
    steps: int = 0


NO_TILES = TileCounts()


@dataclass
class TranslateState:
    """One field for each thing on the page; ``events`` tells of every change.

    Attributes
    ----------
    mpp
        µm/px of the chosen slide, None where it is not known.
    activity, activity_done, activity_total
        Preparation going on (loading, statistics), with its counts where it has any.
    caution
        The amber line: what may be wrong with this slide and model, and what to do.
    error
        What failed, in one sentence.
    notice
        What was done, such as an export that is written.
    runs_on
        Device, backend and precision in use.
    steps, seed
        Of a diffusion, see `prepare.Choices`.
    trust, trusts
        Which map of trust is shown, or ``off``, and which there are.
    stepwise
        Whether the model in use is a diffusion, whose tiles take many steps.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    slide: str = ""
    mpp: float | None = None
    model: str = ""
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    statistics: str = "slide"
    steps: str = "model"
    seed: str = "0"
    trust: str = OFF
    trusts: tuple[str, ...] = (OFF,)
    stepwise: bool = False
    live: bool = True
    fill: bool = False
    activity: str = ""
    activity_done: int = 0
    activity_total: int = 0
    tiles: TileCounts = NO_TILES
    cache_bytes: int = 0
    cache_limit: int = 0
    caution: str = ""
    error: str = ""
    notice: str = ""
    runs_on: str = ""
    numbers: RegionNumbers | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a slide of known scale, and a model to translate it."""
        return bool(self.slide and self.model and self.mpp)


def scale_text(mpp: float | None) -> str:
    """Return µm/px with three significant digits."""
    return "scale unknown" if mpp is None else f"{mpp:.3g} µm/px"


def magnification_text(magnification: float) -> str:
    """Return a magnification such as ``20×`` or ``7.3×``."""
    return f"{magnification:.0f}×" if magnification >= 9.95 else f"{magnification:.2g}×"


def progress_text(state: TranslateState) -> str:
    """Return the line under the bar: the preparation, else the true counts of tiles."""
    if state.activity:
        steps = f" {state.activity_done} of {state.activity_total}" if state.activity_total else ""
        return f"{state.activity}…{steps}"
    tiles = state.tiles
    if not tiles.wanted:
        return ""
    counts = f"{tiles.done} of {tiles.wanted} tiles"
    if tiles.done < tiles.wanted and not state.live:
        return f"{counts} · Live is off"
    if tiles.steps:
        counts += f" · step {tiles.step} of {tiles.steps}"
    return f"{counts} · {tiles.rate:.2g} tiles/s" if tiles.rate else counts


def left_text(elapsed: float, share: float) -> str:
    """Return words such as ``", about 40 s left"``; nothing before 2 s or a hundredth are done.

    Parameters
    ----------
    elapsed
        Seconds so far.
    share
        Of the work, done, 0 to 1.
    """
    if elapsed < _EARLIEST_S or share < _LEAST_SHARE:
        return ""
    left = elapsed * (1 - share) / share
    return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"


def failed_text(failed: int) -> str:
    """Return the red words beside the counts."""
    return f"{failed} failed" if failed else ""


def cache_text(used: int, limit: int) -> str:
    """Return the cache line, in MB."""
    return f"Cache {used / _MEGABYTE:.0f} of {limit / _MEGABYTE:.0f} MB"


def runs_on_text(state: TranslateState) -> str:
    """Return the heading of the settings: what was asked, and what runs."""
    wanted = f"Settings   device {state.device}"
    return f"{wanted} ({state.runs_on})" if state.runs_on else wanted


def caution(mpp: float, mpp_in: float, stain: str, pen: bool) -> str:
    """Return the amber line for a slide of ``mpp`` µm/px under a model made for ``mpp_in``.

    Parameters
    ----------
    stain
        ``"he"``, ``"ihc"`` or ``"unknown"``, from the slide's colours.
    pen
        Whether the view has pen marks.
    """
    if stain == "ihc":
        return "This slide looks like IHC, the model reads H&E: choose the H&E slide above."
    ratio = mpp / mpp_in
    if ratio > _TOO_COARSE:
        return (
            f"The slide has {mpp:.3g} µm/px, the model reads {mpp_in:.3g}: it is enlarged, so fine "
            "detail is guesswork; use a scan of higher power."
        )
    if pen:
        return "Pen marks in view: the stain drawn there means nothing, look beside them."
    if not 1 / _SAME_SCALE < ratio < _SAME_SCALE:
        return f"The slide has {mpp:.3g} µm/px and is resampled to the model's {mpp_in:.3g} µm/px."
    return ""
