"""From a choice to the map of trust it names; loads models, so never in the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_virtual_ihc.tiles.producer import TileProducer
from napari_virtual_ihc.widgets.courteous import Courteous
from napari_virtual_ihc.widgets.translate.trust_model import JITTER, SEEDS, UNFAMILIAR, other_model

if TYPE_CHECKING:
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.heat import HeatScale
    from napari_virtual_ihc.translation.spread import Spread
    from napari_virtual_ihc.translation.translator import Translator
    from napari_virtual_ihc.widgets.translate.prepare import Choices


class TrustMap(TileProducer, Protocol):
    """A map's tiles, and what their colours mean."""

    @property
    def scale(self) -> HeatScale:
        """What its colours mean."""
        ...


@dataclass(frozen=True)
class TrustMaps:
    """Makes the maps of trust of one translator.

    Attributes
    ----------
    translator
        Prepared; all maps are made on the thread that uses it.
    library, choices
        Where other models come from, and how they run.
    """

    translator: Translator
    library: Library
    choices: Choices

    def __call__(self, choice: str, cache: TileCache) -> TrustMap:
        """Return a map, ready.

        Raises
        ------
        VirtualIhcError
            If the card does not say what it needs, or the other model cannot be used.
        """
        from napari_virtual_ihc.translation.familiarity import Unfamiliar

        if choice == UNFAMILIAR:
            return Unfamiliar(self.translator.model.card, self.translator.slide)
        return self._spread(choice, cache)

    def _spread(self, choice: str, cache: TileCache) -> Spread:
        from napari_virtual_ihc.translation.jitter import MOST_WAVERING, under_jitter
        from napari_virtual_ihc.translation.spread import Spread, disagreement, over_seeds

        device, other = self.translator.choice.device, other_model(choice)
        if other is not None:
            second = self._other(other)
            models = {one.model.card.name: Courteous(one, one.choice.device)
                      for one in (self.translator, second)}  # fmt: skip
            return disagreement(models, cache)
        if choice == JITTER:
            asked = [Courteous(one, device) for one in under_jitter(self.translator)]
            title = f"Wavering over {len(asked)} ways of asking"
            return Spread(asked, title, cache, MOST_WAVERING)
        seeds = over_seeds(self.translator, SEEDS[choice])
        return Spread([Courteous(one, device) for one in seeds], choice.capitalize(), cache)

    def _other(self, name: str) -> Translator:
        from napari_virtual_ihc.translation.translator import Translator

        choices = self.choices
        other = Translator(
            self.library.get(name), self.translator.slide, device=choices.device,
            backend=choices.backend, precision=choices.precision, statistics=choices.statistics,
            sampling=choices.sampling,
        )  # fmt: skip
        other.prepare()
        return other
