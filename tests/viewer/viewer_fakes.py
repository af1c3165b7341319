"""Stand-ins for models: deterministic tiles, at a pace of our choosing, watched for threads."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled, ModelError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.library import ModelEntry
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileFailure
from napari_virtual_ihc.translation.spread import Spread
from napari_virtual_ihc.widgets.translate.prepare import Prepared, one_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_virtual_ihc.slides.source import Pixels as SourcePixels
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.widgets.translate.prepare import Choices
    from napari_virtual_ihc.widgets.work import Progress


class PaintedSource:
    """A slide of smooth pink and purple; remembers which threads read it."""

    def __init__(self, height: int, width: int, levels: int = 3) -> None:
        self.shapes = tuple((-(-height // 2**n), -(-width // 2**n)) for n in range(levels))
        self.tile_shapes = ((256, 256),) * levels
        self.threads: set[str] = set()

    def read(self, level: int, y: int, x: int, h: int, w: int) -> SourcePixels:
        self.threads.add(threading.current_thread().name)
        rows = (np.arange(y, y + h)[:, None] + 0.5) * 2**level
        cols = (np.arange(x, x + w)[None] + 0.5) * 2**level
        wave = np.sin(rows / 40) * np.cos(cols / 55)
        pixels = np.empty((h, w, 3), np.uint8)
        pixels[..., 0] = 190 - 60 * (wave > 0.3)
        pixels[..., 1] = 110 + 50 * wave
        pixels[..., 2] = 180 - 30 * (wave < -0.3)
        return pixels, np.ones((h, w), bool)


def painted_slide(height: int = 4096, width: int = 4096, mpp: float | None = 0.5) -> Slide:
    return Slide("painted.svs", PaintedSource(height, width), mpp)


@dataclass
class FakeModel:
    """How a fake model behaves: seconds per tile, where it fails, and what it saw."""

    seconds: float = 0.0
    fails: frozenset[tuple[int, int]] = frozenset()
    colour: int = 0

    def __post_init__(self) -> None:
        self.threads: set[str] = set()
        self.made: list[TileAddress] = []
        self.cancelled = 0
        self.busy = False


class FakeProducer:
    """Swaps the colours of a slide's tiles; the bytes depend on slide, colour and address alone."""

    levels = 1
    batch = 1
    persist = False
    label = "fake"

    def __init__(self, slide: Slide, model: FakeModel, tile: int = 256) -> None:
        self._slide, self._model = slide, model
        mpp = slide.require_mpp()
        self.grid = TileGrid(*slide.shape, tile, mpp)
        self.key = hash_of("fake", slide.fingerprint, model.colour, tile)

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        return [address]

    def produce(
        self,
        addresses: Sequence[TileAddress],
        *,
        preview: Callable[[TileAddress, Pixels], None],
        cancelled: Callable[[], bool],
    ) -> Mapping[TileAddress, Pixels | TileFailure]:
        self._model.threads.add(threading.current_thread().name)
        return {address: self._one(address, cancelled) for address in addresses}

    def _one(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels | TileFailure:
        self._model.busy = True
        try:
            return self._slowly(address, cancelled)
        finally:
            self._model.busy = False

    def _slowly(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels | TileFailure:
        end = time.monotonic() + self._model.seconds
        while time.monotonic() < end:
            if cancelled():
                self._model.cancelled += 1
                raise Cancelled
            time.sleep(0.005)
        if (address.row, address.col) in self._model.fails:
            return TileFailure("The fake model was told to fail here.")
        self._model.made.append(address)
        y, x, h, w = self.grid.box(address.row, address.col)
        mpp = self.grid.mpp
        rgb = self._slide.region(y * mpp, x * mpp, h, w, mpp).pixels
        out = np.full((h, w, 4), 255, np.uint8)
        out[..., :3] = np.roll(rgb, 1 + self._model.colour, axis=-1)
        return out


class FakeLibrary:
    """Three models by name, of which ``noisy`` is a diffusion."""

    def __init__(self) -> None:
        self.cards = [fake_card("demo"), fake_card("other"), fake_card("noisy")]

    def list(self) -> tuple[ModelEntry, ...]:
        from pathlib import Path

        return tuple(ModelEntry(card.name, Path(), card, None) for card in self.cards)


class FakePrepare:
    """Prepares fake models, one per name."""

    def __init__(self, **models: FakeModel) -> None:
        self.models = models or {
            "demo": FakeModel(), "other": FakeModel(colour=1), "noisy": FakeModel()
        }  # fmt: skip
        self.threads: set[str] = set()
        self.asked: list[Choices] = []
        self.error = ""

    def __call__(self, slide: Slide, model: str, choices: Choices, progress: Progress) -> Prepared:
        self.threads.add(threading.current_thread().name)
        self.asked.append(choices)
        progress("Reading the slide's statistics", 3, 12)
        if self.error or model not in self.models:
            raise ModelError(self.error or f"There is no model {model!r}.")
        slide.fingerprint  # noqa: B018 read here, not in the window
        producer = FakeProducer(slide, self.models[model])
        other = FakeProducer(slide, FakeModel(colour=1))

        def trust(choice: str, cache: TileCache) -> Spread:
            if choice == "unfamiliar input":
                raise ModelError("The card does not state its colours.")
            return Spread([producer, other], choice.capitalize(), cache)

        provenance = {"model": model}
        steps = (lambda: (3, 20)) if model == "noisy" else one_pass
        return Prepared(
            producer, fake_card(model), "cpu · fake", provenance, steps=steps, trust=trust
        )


def fake_card(name: str) -> ModelCard:
    return ModelCard(
        name=name,
        kind="diffusion" if name == "noisy" else "generator",
        architecture="resnet",
        arguments={},
        marker="Ki-67",
        tissue="painted",
        mpp_in=0.5,
        mpp_out=0.5,
        tiling="exact",
        dependency_radius=8,
    )
