"""From a slide and a model of the library to something that makes tiles; never in the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import TileProducer
    from napari_virtual_ihc.widgets.work import Progress


@dataclass(frozen=True)
class Choices:
    """How a model is to run, as the page's settings say."""

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    statistics: str = "slide"


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
    """

    producer: TileProducer
    card: ModelCard
    runs_on: str
    provenance: dict[str, Any] = field(default_factory=dict)


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
    cache
        Where calibrations are kept beside the tiles.
    """

    def __init__(self, library: Library, cache: TileCache) -> None:
        self._library = library
        self._cache = cache

    def __call__(self, slide: Slide, model: str, choices: Choices, progress: Progress) -> Prepared:
        """See :class:`Prepare`."""
        from napari_virtual_ihc.translation.translator import Translator

        progress("Loading the model")
        loaded = self._library.get(model)
        progress("Reading the slide's statistics")
        translator = Translator(
            loaded,
            slide,
            device=choices.device,
            backend=choices.backend,
            precision=choices.precision,
            statistics=choices.statistics,
        )
        return Prepared(translator, loaded.card, str(translator.label))
