"""The Translate page put together: its view, what it does, its regions and its export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.models.library import Library
from napari_virtual_ihc.widgets.preferences import load_preferences
from napari_virtual_ihc.widgets.translate.card_dialog import card_html, show_html
from napari_virtual_ihc.widgets.translate.control import Translation
from napari_virtual_ihc.widgets.translate.export import Export
from napari_virtual_ihc.widgets.translate.model import TranslateState
from napari_virtual_ihc.widgets.translate.page import TranslatePage
from napari_virtual_ihc.widgets.translate.prepare import Prepare, PrepareTranslator
from napari_virtual_ihc.widgets.translate.regions import Regions
from napari_virtual_ihc.widgets.translate.trust import TrustLayer
from napari_virtual_ihc.widgets.translate.trust_model import comparable_models
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.models.library import ModelEntry
    from napari_virtual_ihc.widgets.session import Session

_TRANSLATE = ("generator", "diffusion")


class TranslateController(QObject):
    """Wires the page's wishes to what fulfils them.

    Parameters
    ----------
    session
        The window.
    library
        The models to offer; those of the settings where None.
    prepare
        Makes tile producers; replaced in tests.
    """

    title = "Translate"

    def __init__(
        self, session: Session, library: Library | None = None, prepare: Prepare | None = None
    ) -> None:
        super().__init__()
        preferences = load_preferences()
        self._library = library or Library()
        self._listing: Work[tuple[ModelEntry, ...]] | None = None
        self.state = TranslateState(device=preferences.device, statistics=preferences.statistics)
        self.view = TranslatePage(self.state)
        self._offer_models(self._library.list(), preferences.model)
        prepare = prepare or PrepareTranslator(self._library)
        self.translation = Translation(session, prepare, self.state)
        self.trust = TrustLayer(self.translation, self._others)
        self.regions = Regions(self.translation)
        self.export = Export(self.translation, self._library)
        session.models_changed.connect(self._on_models_changed)
        self._connect()

    def close(self) -> None:
        """Stop translating."""
        self.view.forget_state()
        if self._listing is not None:
            self._listing.cancel()
        self.regions.close()
        self.trust.close()
        self.export.cancel()
        self.translation.close()

    def _connect(self) -> None:
        view, does = self.view, self.translation
        view.model_chosen.connect(does.set_model)
        view.setting_changed.connect(self._on_setting_changed)
        view.live_switched.connect(does.set_live)
        view.fill_switched.connect(does.set_fill)
        view.cancel_requested.connect(self.regions.cancel)
        view.cancel_requested.connect(self.trust.cancel)
        view.cancel_requested.connect(does.cancel)
        view.cancel_requested.connect(self.export.cancel)
        view.export_requested.connect(self.export.ask)
        view.region_requested.connect(self.regions.request)
        view.card_requested.connect(self._on_card_requested)
        view.failures_requested.connect(self._on_failures_requested)

    def _offer_models(self, entries: Sequence[ModelEntry], wanted: str) -> None:
        """Offer the models that translate; choose the wanted one, else the first."""
        cards = {entry.name: entry.card for entry in entries if entry.card is not None}
        usable = {name: card for name, card in cards.items() if card.kind in _TRANSLATE}
        self._usable = usable
        titles = [f"{name} · {card.marker} · {card.tissue}" for name, card in usable.items()]
        self.state.model = wanted if wanted in usable else next(iter(usable), "")
        self.view.set_models(list(usable), titles)

    def _others(self, model: str) -> list[str]:
        """Return the models that a model can be compared with."""
        return comparable_models(model, self._usable)

    def _on_setting_changed(self, name: str, value: str) -> None:
        if name == "trust":
            self.trust.choose(value)
        else:
            self.translation.set_choice(name, value)

    def _on_models_changed(self) -> None:
        self._listing = Work(lambda _progress: self._library.list(), "lists the models")
        self._listing.finished.connect(self._on_listed)
        self._listing.start()

    def _on_listed(self, entries: Sequence[ModelEntry]) -> None:
        self._offer_models(entries, self.state.model)

    def _on_card_requested(self) -> None:
        entries = {entry.name: entry.card for entry in self._library.list()}
        card = entries.get(self.state.model)
        if card is not None:
            show_html(self.view, f"Model {card.name}", card_html(card))

    def _on_failures_requested(self) -> None:
        lines = "".join(
            f"<li>{count} × {reason}</li>" for reason, count in self.translation.failures().items()
        )
        again = show_html(
            self.view, "Tiles that failed", f"<ul>{lines}</ul>", accept="Try them again"
        )
        if again:
            self.translation.retry()
