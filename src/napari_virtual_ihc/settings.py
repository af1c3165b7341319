"""Where things lie and how much room they may take; one JSON file, moved by VIRTUAL_IHC_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.provenance import stamp

SCHEMA = "virtual-ihc/settings/1"


def home() -> Path:
    """Return the folder of settings, models, runs and cache; ``VIRTUAL_IHC_HOME`` moves it."""
    given = os.environ.get("VIRTUAL_IHC_HOME")
    return Path(given) if given else Path(platformdirs.user_data_dir("napari-virtual-ihc"))


def _cache_home() -> Path:
    """Return the system's place for caches, or that below ``VIRTUAL_IHC_HOME``."""
    if "VIRTUAL_IHC_HOME" in os.environ:
        return home() / "cache"
    return Path(platformdirs.user_cache_dir("napari-virtual-ihc"))


class Settings(BaseModel):
    """User settings; byte counts are bytes, folders are absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path = Field(default_factory=lambda: _cache_home())
    cache_disk_bytes: int = Field(default=2_000_000_000, ge=0)
    cache_memory_bytes: int = Field(default=512_000_000, ge=1_000_000)
    library_dirs: tuple[Path, ...] = Field(default_factory=lambda: (home() / "models",))
    runs_dir: Path = Field(default_factory=lambda: home() / "runs")
    other_runs: tuple[Path, ...] = ()
    """Run folders that lie elsewhere."""
    device: str = "auto"


def settings_file() -> Path:
    """Return the path of the settings file."""
    return home() / "settings.json"


def load_settings() -> Settings:
    """Return the saved settings, or the defaults where nothing was saved.

    Raises
    ------
    VirtualIhcError
        If the file is damaged or a field is wrong; the sentence names both.
    """
    path = settings_file()
    if not path.exists():
        return Settings()
    content = read_json(path, schema=SCHEMA)
    fields = {k: v for k, v in content.items() if k not in ("schema", "command", "version")}
    try:
        return Settings.model_validate(fields)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        reason = error.errors()[0]["msg"]
        raise VirtualIhcError(f"{path}, field {field!r}: {reason}.") from error


def save_settings(settings: Settings, command: str = "settings") -> None:
    """Save ``settings`` atomically."""
    write_json(settings_file(), stamp(SCHEMA, command) | settings.model_dump(mode="json"))
