"""``virtual-ihc doctor``: what this machine has, and what each missing part would need."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from napari_virtual_ihc import __version__
from napari_virtual_ihc.cli.output import emit
from napari_virtual_ihc.settings import load_settings

_PARTS = {
    "napari": "napari[pyqt6]",
    "torch": "torch",
    "tifffile": "tifffile",
    "zarr": "zarr",
    "openslide-python": "napari-virtual-ihc[slides]",
    "openvino": "napari-virtual-ihc[cpu]",
    "lightning-fabric": "napari-virtual-ihc[train]",
    "distributed": "napari-virtual-ihc[cluster]",
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what is installed, which devices there are and where things lie."""
    settings = load_settings()
    emit(
        {
            "version": __version__,
            "python": platform.python_version(),
            **{name: _installed(name, advice) for name, advice in _PARTS.items()},
            **_devices(),
            "cache_dir": str(settings.cache_dir),
            "library_dirs": [str(folder) for folder in settings.library_dirs],
            "runs_dir": str(settings.runs_dir),
        },
        as_json,
    )


def _installed(name: str, advice: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"missing (pip install '{advice}')"


def _devices() -> dict[str, Any]:
    import torch

    return {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu_threads": torch.get_num_threads(),
        "cpu_bf16_units": torch.cpu._is_amx_tile_supported(),
    }
