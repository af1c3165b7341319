"""What came of a translation, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.tiles.producer import TileFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress

SCHEMA = "virtual-ihc/translation-report/1"


@dataclass
class Tally:
    """Counts tiles as they come.

    Attributes
    ----------
    failed
        Reason of each failed tile, by row and column.
    places
        Row and column of every tile counted.
    translated_px
        Pixels of tiles that went through the network.
    incomplete
        Row and column of tiles with pixels the slide could not give; those are hatched.
    """

    done: int = 0
    blank: int = 0
    translated_px: int = 0
    incomplete: set[tuple[int, int]] = field(default_factory=set)
    failed: dict[tuple[int, int], str] = field(default_factory=dict)
    places: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, made: Mapping[TileAddress, Pixels | TileFailure]) -> Tally:
        """Return the count of some tiles."""
        tally = cls()
        for address, tile in made.items():
            tally.add(address, tile)
        return tally

    def add(self, address: TileAddress, tile: Pixels | TileFailure) -> None:
        """Count one tile."""
        self.done += 1
        self.places.add((address.row, address.col))
        if isinstance(tile, TileFailure):
            self.failed[address.row, address.col] = tile.reason
            return
        alpha = tile[..., 3]
        if not alpha.any():
            self.blank += 1
            return
        if (alpha == 0).any():
            self.incomplete.add((address.row, address.col))
        self.translated_px += alpha.size

    def merge(self, other: Tally) -> None:
        """Add what another has counted."""
        self.done += other.done
        self.blank += other.blank
        self.incomplete |= other.incomplete
        self.translated_px += other.translated_px
        self.failed |= other.failed
        self.places |= other.places


@dataclass(frozen=True)
class TranslationReport:
    """A finished export.

    Attributes
    ----------
    model, out
        Names of model and output.
    tiles
        Tiles of the region (or slide), finished ones of an earlier run included.
    resumed_tiles
        Tiles that an earlier run had finished.
    seconds
        From the first tile to the last file, calibration left out.
    megapixels_per_second
        Translated pixels (blank tiles left out) of this run over ``seconds``.
    forward_seconds
        Time inside the network, where this process ran it.
    um_per_px
        Scale of the output.
    sampling
        Sampler, steps and seed of a diffusion; None for others.
    seam
        Seam figure at the borders of jointly computed blocks (see `measures.seam`); None where
        tiles fit exactly or there is no border.
    failures
        ``row, column: reason`` of each failed tile.
    incomplete
        ``row, column`` of each tile of this run that is hatched where the slide cannot be read.
    """

    model: str
    out: str
    tiles: int
    failed_tiles: int
    blank_tiles: int
    incomplete_tiles: int
    resumed_tiles: int
    seconds: float
    calibration_seconds: float
    forward_seconds: float | None
    megapixels_per_second: float
    um_per_px: float
    height: int
    width: int
    runs_on: str
    statistics: str
    tiling: str
    workers: int
    sampling: dict[str, Any] | None = None
    seam: float | None = None
    failures: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every pixel asked for was made."""
        return not self.failed_tiles and not self.incomplete_tiles

    def to_json(self) -> dict[str, Any]:
        """Return JSON values with schema, command and version."""
        return stamp(SCHEMA, "translate") | asdict(self)
