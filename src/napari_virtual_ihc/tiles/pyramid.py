"""A pyramid of duck arrays that never computes and never waits, for any producer of tiles."""

from __future__ import annotations

import uuid
import weakref
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.level import TileLevel
from napari_virtual_ihc.tiles.paste import hatch_failed, paste
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.shapes import OVERVIEW_PX, level_shapes
from napari_virtual_ihc.tiles.view import View, in_view, middle, overlap, tiles_in
from napari_virtual_ihc.tiles.window import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.notices import Callback, Progress
    from napari_virtual_ihc.tiles.producer import Pixels, TileProducer
    from napari_virtual_ihc.tiles.service import TileService
    from napari_virtual_ihc.tiles.window import Window


class TilePyramid:
    """Levels for a multiscale image layer; safe between threads.

    Indexing a level pastes tiles from memory into an RGBA block and hands the missing ones to the
    service, in place of what this pyramid wanted before. Missing tiles are clear, so that the layer
    below is the placeholder; a producer of several levels (H&E) shows coarser pixels there.
    Failed tiles are hatched. The coarsest level is a real array (``overview``).

    Parameters
    ----------
    producer, service, cache
        Who makes the tiles, who asks for them, where they are.
    overview
        uint8 (h, w, 4) of ``overview_shape``, or less by the padding; None is clear.
    descend
        Coarse levels, above the producer's own, at which a view still has native tiles made.

    Attributes
    ----------
    view
        What the user sees, (top, left, bottom, right) in level-0 pixels: only tiles in it are asked
        for, those in its middle first. None takes what is indexed.
    complete
        Whether all of what `look` was last told of was in memory.
    """

    def __init__(
        self,
        producer: TileProducer,
        service: TileService,
        cache: TileCache,
        overview: Pixels | None = None,
        *,
        descend: int = 2,
        overview_px: int = OVERVIEW_PX,
    ) -> None:
        self.producer = producer
        self.client = f"{producer.key[:8]}-{uuid.uuid4().hex}"
        self.view: View | None = None
        self.complete = False
        self._held = False
        self._leader: TilePyramid | None = None
        self._twins: weakref.WeakSet[TilePyramid] = weakref.WeakSet()
        self._service = service
        self._cache = cache
        self._descend = descend
        self._overview_px = overview_px
        grid = producer.grid
        shapes = level_shapes(grid.height, grid.width, overview_px)
        self._levels = [TileLevel(self, n, shape) for n, shape in enumerate(shapes)]
        self._overview = np.zeros(self.overview_shape, np.uint8)
        if overview is not None:
            self.set_overview(overview)

    @property
    def held(self) -> bool:
        """Whether indexing asks for nothing and shows what is there; a twin does as its like."""
        return self._held if self._leader is None else self._leader.held

    @held.setter
    def held(self, on: bool) -> None:
        self._held = on

    def twin(self) -> TilePyramid:
        """Return another pyramid of the same tiles, for another view: its wishes are its own."""
        twin = TilePyramid(
            self.producer,
            self._service,
            self._cache,
            self._overview,
            descend=self._descend,
            overview_px=self._overview_px,
        )
        twin._leader = self
        self._twins.add(twin)
        return twin

    @property
    def levels(self) -> list[TileLevel | Pixels]:
        """The levels for napari, finest first; the last is the overview as it is now."""
        return [*self._levels[:-1], self._overview]

    @property
    def overview_shape(self) -> tuple[int, int, int]:
        """Shape of the coarsest level."""
        return self._levels[-1].shape

    @property
    def failed(self) -> dict[TileAddress, str]:
        """Failed tiles and why."""
        return self._service.failures(self.producer.key)

    def subscribe(self, callback: Callback) -> None:
        """Call ``callback`` (held weakly) on a worker thread when a tile changes or fails."""
        self._service.subscribe(self.client, callback)

    def progress(self) -> Progress:
        """Return how far the present view is; of several twins, the view that wants most."""
        views = (self, *self._twins)
        return max((one._service.progress(one.client) for one in views), key=lambda p: p.wanted)

    def retry(self) -> int:
        """Let failed tiles be asked for again; index a level to do so."""
        return self._service.retry(self.client)

    def set_overview(self, overview: Pixels) -> None:
        """Replace the coarsest level; napari sees it once ``levels`` is assigned again."""
        height, width, _ = self.overview_shape
        canvas = np.zeros(self.overview_shape, np.uint8)
        part = overview[:height, :width]
        canvas[: part.shape[0], : part.shape[1]] = part
        self._overview = canvas

    def watch_overview(self) -> None:
        """Keep the coarsest level derived from finished tiles from now on, in idle time."""
        top = len(self._levels) - 1
        grid = self.producer.grid.level(top)
        everything = grid.covering(0, grid.height, 0, grid.width)
        wishes = (TileAddress(top, row, col) for row, col in everything)
        centre = (0.0, 0.0)
        name = f"{self.client}/overview"
        self._service.request(name, self.producer, wishes, centre=centre, background=True)

    def compose_overview(self) -> Pixels:
        """Return the coarsest level as far as tiles for it are in memory."""
        return self._paste(len(self._levels) - 1, parse(..., self.overview_shape))[0]

    def fill(self, centre: tuple[float, float]) -> None:
        """Have every tile made in idle time, from ``centre`` (y, x in level-0 pixels) outwards."""
        grid = self.producer.grid
        row, col = (int(position // grid.tile) for position in centre)
        wishes = (TileAddress(0, *place) for place in grid.spiral(row, col))
        self._service.request(self.client, self.producer, wishes, centre=centre, background=True)

    def stop_filling(self) -> None:
        """Make only what is looked at."""
        self._service.stop_background(self.client)

    def rest(self) -> None:
        """Drop the wishes of the present view: the layer is hidden, or out of sight."""
        self._service.request(self.client, self.producer, (), centre=(0.0, 0.0))

    def close(self) -> None:
        """Drop everything this pyramid wants."""
        self._service.drop(self.client)
        self._service.drop(f"{self.client}/overview")

    def paste(self, level: int, window: Window) -> Pixels:
        """Return a window of a level from memory, and ask for its missing tiles."""
        block, missing = self._paste(level, window)
        if window.rows.step == window.cols.step == 1:
            self._ask(level, window, missing)
        return window.cut(block)

    def look(self, view: View | None, level: int, shown: View) -> None:
        """Ask at once for what is missing of a level where ``view`` and ``shown`` overlap.

        Whatever else this pyramid wanted for its view is dropped; nothing is pasted. From now on
        indexing asks for tiles in ``view`` only.

        Parameters
        ----------
        view
            What the user sees, (top, left, bottom, right) in level-0 pixels; None for everything.
        level
            The level on screen.
        shown
            What was indexed of it, (top, left, bottom, right) in level-0 pixels.
        """
        self.view = view
        part = shown if view is None else overlap(view, shown)
        tiles = list(tiles_in(part, self.producer.grid, level))
        memory, key = self._cache.get_memory, self.producer.key
        missing = [tile for tile in tiles if memory(tile_key(key, tile)) is None]
        self.complete = bool(tiles) and not missing
        self._request(missing, part)

    def _ask(self, level: int, window: Window, missing: Iterable[TileAddress]) -> None:
        rows, cols, step = window.rows, window.cols, 2**level
        part = rows.start * step, cols.start * step, rows.stop * step, cols.stop * step
        side = self.producer.grid.tile
        self._request([tile for tile in missing if in_view(tile, side, self.view)], part)

    def _request(self, missing: Iterable[TileAddress], part: View) -> None:
        self._service.request(
            self.client,
            self.producer,
            () if self.held else missing,
            centre=middle(self.view or part),
            descend=self._descend,
        )

    def _paste(self, level: int, window: Window) -> tuple[Pixels, list[TileAddress]]:
        producer = self.producer
        block, missing = paste(producer, self._cache, level, window, self._overview)
        hatch_failed(block, producer, level, window, self.failed)
        return block, missing
