"""The statistics of a slide: measured once, jointly over the whole slide, kept and hashed.

Instance normalisation takes each tile's own statistics, so that neighbouring tiles differ in
colour. Here the statistics of every layer are taken over tissue windows of the whole slide
together, layer by layer, as if the slide were one picture; every tile is then normalised by the
same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.files import atomic_write_bytes, hash_of, read_json, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.stains.tissue import MASK_VERSION
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation import sites

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide

SCHEMA = "virtual-ihc/statistics/1"
_ALGORITHM = "lockstep/1"

Pair = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


def ignore(done: int, total: int) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True)
class Statistics:
    """Mean and biased variance, (C,) float32, of each instance norm's input, by its name.

    Attributes
    ----------
    windows
        How many windows of tissue they come from; 0 for a slide without tissue, and then no layers.
    """

    layers: Mapping[str, Pair]
    windows: int

    @property
    def hash(self) -> str:
        """32 hexadecimal digits of the numbers themselves."""
        parts = [(name, *(part.tobytes() for part in pair)) for name, pair in self._sorted()]
        return hash_of(_ALGORITHM, self.windows, *(item for part in parts for item in part))

    def to_bytes(self) -> bytes:
        """Return the numbers as a safetensors file."""
        tensors = {}
        for name, (mean, var) in self._sorted():
            tensors[f"{name}.mean"], tensors[f"{name}.var"] = mean, var
        data: bytes = save(tensors, {"windows": str(self.windows)})
        return data

    @classmethod
    def from_bytes(cls, data: bytes, windows: int) -> Statistics:
        """Return what `to_bytes` wrote; raises SafetensorError or KeyError for anything else."""
        tensors = load(data)
        names = [key.removesuffix(".mean") for key in tensors if key.endswith(".mean")]
        layers = {name: (tensors[f"{name}.mean"], tensors[f"{name}.var"]) for name in names}
        return cls(layers, windows)

    def _sorted(self) -> list[tuple[str, Pair]]:
        return sorted(self.layers.items())


def measured_on(device: str) -> str:
    """Return where statistics are measured: Apple's GPUs have no float64 to sum in."""
    return "cpu" if device == "mps" else device


def statistics_key(model: Model, slide: Slide) -> str:
    """Return 32 hexadecimal digits of everything the statistics depend on."""
    settings = [sites.SITES, sites.SITE_PX, sites.MARGIN_PX, MASK_VERSION]
    place = [slide.fingerprint, slide.require_mpp(), model.card.mpp_in]
    return hash_of(_ALGORITHM, place, model.weights_hash, settings)


def collect_statistics(
    model: Model, slide: Slide, *, cache: Path | None, device: str = "cpu",
    progress: Callable[[int, int], None] = ignore, cancelled: Callable[[], bool] = never,
    notify: Callable[[str], None] = print,
) -> Statistics:  # fmt: skip
    """Return the slide's statistics for a model, from the cache or measured now.

    Parameters
    ----------
    cache
        Folder where they are kept; None keeps nothing.
    device
        Where they are measured.
    progress, cancelled
        See `lockstep_statistics`.
    notify
        Told in one sentence where the cache cannot be written.

    Raises
    ------
    Cancelled
        If ``cancelled`` said so; nothing is kept then.
    """
    folder = None if cache is None else cache / "statistics"
    key = statistics_key(model, slide)
    known = None if folder is None else load_statistics(folder, key)
    if known is not None:
        return known
    windows = sites.read_sites(slide, model.card.mpp_in)
    found = _measure(model, windows, device, progress, cancelled)
    if folder is not None:
        try:
            save_statistics(folder, key, found, model.weights_hash)
        except OSError as error:
            reason = error.strerror or "no reason given"
            notify(f"The slide's statistics could not be kept ({reason}); they are measured anew.")
    return found


def save_statistics(folder: Path, key: str, found: Statistics, weights_hash: str) -> None:
    """Keep statistics under ``key``: numbers first, then the JSON that vouches for them."""
    facts: dict[str, Any] = {
        "hash": found.hash, "windows": found.windows, "weights": weights_hash, "key": key,
    }  # fmt: skip
    atomic_write_bytes(folder / f"{key}.safetensors", found.to_bytes())
    write_json(folder / f"{key}.json", stamp(SCHEMA, "calibrate") | facts)


def load_statistics(folder: Path, key: str) -> Statistics | None:
    """Return the statistics kept under ``key``, or None if they are not there or not whole."""
    try:
        facts = read_json(folder / f"{key}.json", schema=SCHEMA)
        data = (folder / f"{key}.safetensors").read_bytes()
        found = Statistics.from_bytes(data, int(facts["windows"]))
    except (OSError, VirtualIhcError, SafetensorError, KeyError, ValueError):
        return None
    return found if found.hash == facts.get("hash") else None


def _measure(
    model: Model, windows: list[NDArray[np.uint8]], device: str,
    progress: Callable[[int, int], None], cancelled: Callable[[], bool],
) -> Statistics:  # fmt: skip
    if not windows:
        return Statistics({}, 0)
    from napari_virtual_ihc.translation.backends.lockstep import lockstep_statistics

    network = model.network()
    layers = lockstep_statistics(network, windows, sites.MARGIN_PX, device, progress, cancelled)
    return Statistics(layers, len(windows))
