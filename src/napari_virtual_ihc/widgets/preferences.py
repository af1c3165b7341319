"""Preferences: napari's dialog shows ours through the manifest; they override the settings file."""

from __future__ import annotations

from dataclasses import dataclass

from napari_virtual_ihc.settings import Settings, load_settings

PLUGIN = "napari-virtual-ihc"
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Preferences:
    """What the napari preferences of this plug-in say; cache sizes in bytes."""

    model: str = "demo"
    device: str = "auto"
    statistics: str = "slide"
    cache_memory_bytes: int = 512 * _MEGABYTE
    cache_disk_bytes: int = 2000 * _MEGABYTE


def load_preferences() -> Preferences:
    """Return the saved napari preferences, or the defaults where the plug-in is not registered."""
    from napari.settings import get_plugin_settings

    every = get_plugin_settings()
    if PLUGIN not in every:
        return Preferences()
    saved = every[PLUGIN]
    return Preferences(
        model=saved.translation.model,
        device=saved.translation.device,
        statistics=saved.translation.statistics,
        cache_memory_bytes=saved.cache.memory_mb * _MEGABYTE,
        cache_disk_bytes=saved.cache.disk_mb * _MEGABYTE,
    )


def effective_settings() -> Settings:
    """Return the settings file's values, with every changed napari preference put over them."""
    preferences, defaults = load_preferences(), Preferences()
    names = ("device", "cache_memory_bytes", "cache_disk_bytes")
    changed = {
        name: getattr(preferences, name)
        for name in names
        if getattr(preferences, name) != getattr(defaults, name)
    }
    return load_settings().model_copy(update=changed)
