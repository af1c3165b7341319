"""The tiles of one slide on the workers of a dask cluster, with the same bytes as here.

The client measures the statistics once and sends them along; each worker opens slide and model by
path (a file system that all can reach), makes whole blocks and writes them as zarr chunks of its
own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import Cancelled, ExportError, UsageError
from napari_virtual_ihc.translation.plan import asked_for
from napari_virtual_ihc.translation.report import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from napari_virtual_ihc.tiles.producer import TileAddress
    from napari_virtual_ihc.translation.sampling import Sampling
    from napari_virtual_ihc.translation.translator import Translator

    Block = tuple[TileAddress, ...]

_WAIT_S = 0.5


@dataclass(frozen=True)
class Order:
    """All that a worker needs to make the same tiles.

    Attributes
    ----------
    statistics, windows
        The slide's statistics as `Statistics.to_bytes` writes them; None where the mode has none.
    key
        What the worker's own translator must come to, or it refuses.
    sampling
        See `Translator`.
    """

    slide: str
    mpp: float
    model: str
    device: str
    backend: str
    precision: str
    mode: str
    tile: int
    statistics: bytes | None
    windows: int
    key: str
    sampling: Sampling


class Cluster:
    """A connection to a scheduler, for one export.

    Parameters
    ----------
    address
        Of the scheduler.

    Raises
    ------
    UsageError
        If dask.distributed is not installed.
    ExportError
        If the scheduler does not answer or has no workers.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                "A cluster needs dask.distributed; run pip install 'napari-virtual-ihc[cluster]'."
            ) from error
        try:
            self._client = Client(address, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            raise ExportError(f"The scheduler at {address} does not answer.") from error
        self.workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        if not self.workers:
            self._client.close()
            raise ExportError(f"The scheduler at {address} has no workers.")

    def __enter__(self) -> Cluster:
        """Return the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Drop what is still to be done and disconnect."""
        self._client.close()

    def run(
        self, order: Order, blocks: list[Block], out: Path, cancelled: Callable[[], bool]
    ) -> Iterator[Tally]:
        """Yield the count of each block, written, in the order they are finished.

        A block whose worker dies is made by another; one that takes down several workers, or fails
        with an error, counts as failed.

        Parameters
        ----------
        order
            See `order_of`.
        blocks
            What to make.
        out
            Folder of the pyramid, which workers reach by the same path.
        cancelled
            Asked twice a second.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so.
        ExportError
            If a worker cannot write, or cannot make the same tiles.
        """
        from distributed import as_completed, wait

        futures = {
            self._client.submit(make_block, order, str(out.resolve()), block, pure=False): block
            for block in blocks
        }
        waiting = set(futures)
        while waiting:
            if cancelled():
                self._client.cancel(list(waiting))
                raise Cancelled
            try:
                finished = wait(waiting, timeout=_WAIT_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue
            waiting -= finished
            for future in as_completed(finished):
                yield _outcome(future, futures[future])


def order_of(translator: Translator, slide_path: Path) -> Order:
    """Return what a worker needs to make a translator's tiles."""
    choice, found = translator.choice, translator.statistics
    return Order(
        str(slide_path.resolve()), translator.slide.require_mpp(),
        str(translator.model.folder.resolve()), choice.device, choice.backend, choice.precision,
        asked_for(translator.mode), translator.grid.tile,
        None if found is None else found.to_bytes(), 0 if found is None else found.windows,
        translator.key, translator.sampling,
    )  # fmt: skip


def warm(order: Order, block: Block) -> None:
    """Open slide and model on a worker and compile the network for blocks like ``block``."""
    bench = _bench(order)
    with bench.lock:
        bench.translator.compute(bench.translator.load(block))


def make_block(order: Order, out: str, block: Block) -> Tally:
    """Make and write the tiles of one block, on a worker; failed tiles are left unwritten.

    Raises
    ------
    ExportError
        If this worker cannot make the same bytes, or cannot write.
    """
    from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
    from napari_virtual_ihc.tiles.producer import never
    from napari_virtual_ihc.translation.export_run import write_tiles

    bench = _bench(order)
    with bench.lock:
        made = bench.translator.compute(bench.translator.load(block), never)
    write_tiles(OmeZarrPyramid.open(out), made)
    return Tally.of(made)


@dataclass(frozen=True)
class _Bench:
    """A worker's translator, and the lock that keeps its threads apart."""

    translator: Translator
    lock: threading.Lock


@lru_cache(maxsize=1)
def _bench(order: Order) -> _Bench:
    from napari_virtual_ihc.models.folder import load_model
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.translation.calibration import Statistics
    from napari_virtual_ihc.translation.translator import Translator

    measured = None
    if order.statistics is not None:
        measured = Statistics.from_bytes(order.statistics, order.windows)
    translator = Translator(
        load_model(Path(order.model)), open_slide(order.slide, order.mpp), device=order.device,
        backend=order.backend, precision=order.precision, statistics=order.mode,
        tile=order.tile, sampling=order.sampling, measured=measured,
    )  # fmt: skip
    if translator.key != order.key:
        raise ExportError(
            f"A worker ({translator.settings.device_kind}, {translator.settings.engine}) cannot "
            "make the same pixels as this machine; give it the same versions and devices."
        )
    return _Bench(translator, threading.Lock())


def _outcome(future: Any, block: Block) -> Tally:
    error = future.exception()
    if error is None:
        tally: Tally = future.result()
        return tally
    if isinstance(error, ExportError):
        raise error
    reason = f"A worker failed: {error or type(error).__name__}"
    places = {(tile.row, tile.col): reason for tile in block}
    return Tally(done=len(block), failed=places, places=set(places))
