"""Blocks through the network in this process: reading ahead, writing behind."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.tiles.producer import TileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.loading import Loaded
    from napari_virtual_ihc.translation.translator import Translator

    Block = tuple[TileAddress, ...]
    Made = Mapping[TileAddress, Pixels | TileFailure]

_AHEAD = 2
_BEHIND = 4


class Pipeline:
    """Translates blocks one after the other while the next is read and the last is written.

    Parameters
    ----------
    translator
        Prepared.
    write
        Called with each block's tiles, in order, on one other thread.

    Attributes
    ----------
    forward_seconds
        Time spent inside the network so far.
    """

    def __init__(self, translator: Translator, write: Callable[[Made], None]) -> None:
        self._translator = translator
        self._write = write
        self.forward_seconds = 0.0

    def run(self, blocks: Iterable[Block], cancelled: Callable[[], bool]) -> Iterator[Made]:
        """Yield each block's tiles before they are written; all are written when it ends.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so.
        ExportError
            If tiles cannot be written.
        """
        reader = ThreadPoolExecutor(1, "translation-reader")
        writer = ThreadPoolExecutor(1, "translation-writer")
        pending: deque[Future[None]] = deque()
        try:
            for tiles, loading in self._ahead(reader, blocks):
                made = self._make(tiles, loading, cancelled)
                yield made
                pending.append(writer.submit(self._write, made))
                _settle(pending, _BEHIND)
            _settle(pending, 0)
        finally:
            reader.shutdown(cancel_futures=True)
            writer.shutdown()

    def _ahead(
        self, reader: ThreadPoolExecutor, blocks: Iterable[Block]
    ) -> Iterator[tuple[Block, Future[Loaded]]]:
        waiting: deque[tuple[Block, Future[Loaded]]] = deque()
        for tiles in blocks:
            waiting.append((tiles, reader.submit(self._translator.load, tiles)))
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def _make(self, tiles: Block, loading: Future[Loaded], cancelled: Callable[[], bool]) -> Made:
        if cancelled():
            raise Cancelled
        try:
            loaded = loading.result()
            start = time.perf_counter()
            made = self._translator.compute(loaded, cancelled)
            self.forward_seconds += time.perf_counter() - start
        except (MemoryError, RuntimeError, OSError, VirtualIhcError) as error:
            reason = str(error) or type(error).__name__
            return dict.fromkeys(tiles, TileFailure(reason))
        return made


def _settle(pending: deque[Future[None]], most: int) -> None:
    while len(pending) > most:
        pending.popleft().result()
