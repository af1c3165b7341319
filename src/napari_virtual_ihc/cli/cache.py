"""``virtual-ihc cache``: show, bound and clear the disk cache of tiles."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit
from napari_virtual_ihc.errors import CacheError, UsageError
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.settings import Settings, load_settings, save_settings
from napari_virtual_ihc.tiles.disk import DiskTiles

SCHEMA = "virtual-ihc/cache/1"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)

app = typer.Typer(help="Show, bound and clear the disk cache of tiles.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def show(as_json: Json = False) -> None:
    """Say where the cache lies, what it holds and its bounds."""
    _report("cache show", load_settings(), as_json)


@app.command()
def bound(
    size: Annotated[str, typer.Argument(help="Most bytes on disk, such as 500MB or 2GB.")],
    memory: Annotated[str | None, typer.Option(help="Most bytes in memory, such as 512MB.")] = None,
    as_json: Json = False,
) -> None:
    """Set the bounds and delete at once what is beyond the one on disk, oldest use first."""
    changes: dict[str, Any] = {"cache_disk_bytes": parse_size(size)}
    if memory is not None:
        changes["cache_memory_bytes"] = _memory_size(memory)
    settings = load_settings().model_copy(update=changes)
    save_settings(settings, "cache bound")
    _disk(settings).enforce()
    _report("cache bound", settings, as_json)


@app.command()
def clear(as_json: Json = False) -> None:
    """Delete every tile on disk."""
    settings = load_settings()
    disk = _disk(settings)
    held, _ = disk.usage()
    disk.clear()
    left, tiles = disk.usage()
    if tiles:
        raise CacheError(
            f"{tiles} tiles in {settings.cache_dir} could not be deleted; see who may write there."
        )
    _report("cache clear", settings, as_json, freed_bytes=held - left)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``500MB``, ``2G`` or ``1000000`` (powers of ten).

    Raises
    ------
    UsageError
        If ``text`` is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no size; write bytes, or a number with kB, MB, GB or TB.")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _memory_size(text: str) -> int:
    size = parse_size(text)
    if size < 10**6:
        raise UsageError(f"--memory {text} is too small; give at least 1MB.")
    return size


def _disk(settings: Settings) -> DiskTiles:
    return DiskTiles(settings.cache_dir, settings.cache_disk_bytes)


def _report(command: str, settings: Settings, as_json: bool, **more: int) -> None:
    held, tiles = _disk(settings).usage()
    facts: dict[str, Any] = {
        "folder": str(settings.cache_dir),
        "tiles": tiles,
        "disk_bytes": held,
        "disk_bound_bytes": settings.cache_disk_bytes,
        "memory_bound_bytes": settings.cache_memory_bytes,
        **more,
    }
    emit(stamp(SCHEMA, command) | facts if as_json else facts, as_json)
