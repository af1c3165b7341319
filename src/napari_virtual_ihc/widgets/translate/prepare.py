"""From a slide and a model of the library to something that makes tiles; never in the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from napari_virtual_ihc.widgets.courteous import Courteous

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import TileProducer
    from napari_virtual_ihc.translation.sampling import Sampling
    from napari_virtual_ihc.widgets.translate.trust_making import TrustMap
    from napari_virtual_ihc.widgets.work import Progress

_TITLES = {
    "slide": "Reading the slide's statistics",
    "dense": "Reading the slide's statistics",
}
OWN_STEPS = "model"
"""As many steps as a diffusion's card says."""
FIRST_SEED = "0"
"""What a diffusion's noise is drawn from unless asked otherwise."""


def one_pass() -> None:
    """Say that tiles are made in one pass."""


@dataclass(frozen=True)
class Choices:
    """How a model is to run, as the page's settings say.

    Attributes
    ----------
    steps
        Of a diffusion: a number, or ``model`` for those of its card.
    seed
        Of a diffusion's noise: a number of 0 or more.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    statistics: str = "slide"
    steps: str = OWN_STEPS
    seed: str = FIRST_SEED

    @property
    def sampling(self) -> Sampling:
        """How a diffusion is sampled."""
        from napari_virtual_ihc.translation.sampling import Sampling

        steps = None if self.steps == OWN_STEPS else int(self.steps)
        return Sampling(steps=steps, seed=int(self.seed))


@dataclass(frozen=True)
class Prepared:
    """A model ready to translate one slide.

    Attributes
    ----------
    producer
        Makes the virtual tiles.
    card
        The model's card.
    runs_on
        Device, backend and precision, such as ``"cpu · OpenVINO · fp32"``.
    provenance
        JSON values that go with every pixel.
    notices
        What the user should hear of the run, such as a change of device; grows as it happens.
    steps
        Tells steps done of the tile being made and in all, where a tile takes many.
    trust
        Makes a map of trust by its name, see `trust_model`; None where there are none.
    """

    producer: TileProducer
    card: ModelCard
    runs_on: str
    provenance: dict[str, Any] = field(default_factory=dict)
    notices: Sequence[str] = ()
    steps: Callable[[], tuple[int, int] | None] = one_pass
    trust: Callable[[str, TileCache], TrustMap] | None = None


class Prepare(Protocol):
    """Loads a model and measures what it needs of a slide; reports its steps as it goes."""

    def __call__(self, slide: Slide, model: str, choices: Choices, progress: Progress) -> Prepared:
        """Return the model, ready for the slide."""
        ...


class PrepareTranslator:
    """The real thing: a model of the library, calibrated on the slide.

    Parameters
    ----------
    library
        Where models come from.
    """

    def __init__(self, library: Library) -> None:
        self._library = library

    def __call__(self, slide: Slide, model: str, choices: Choices, progress: Progress) -> Prepared:
        """See :class:`Prepare`."""
        from napari_virtual_ihc.translation.translator import Translator
        from napari_virtual_ihc.widgets.translate.trust_making import TrustMaps

        progress("Loading the model")
        loaded = self._library.get(model)
        translator = Translator(
            loaded, slide, device=choices.device, backend=choices.backend,
            precision=choices.precision, statistics=choices.statistics, sampling=choices.sampling,
        )  # fmt: skip
        title = _TITLES.get(translator.mode, "Preparing the model")
        translator.prepare(partial(progress, title), progress.cancelled)
        return Prepared(
            Courteous(translator, translator.choice.device),
            loaded.card,
            translator.runs_on,
            translator.provenance(),
            translator.notices,
            translator.steps,
            TrustMaps(translator, self._library, choices),
        )
