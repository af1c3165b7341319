"""Device, backend and precision: what was asked for, or what this machine does well."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from napari_virtual_ihc.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
BACKENDS = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "fp32", "bf16")
_BF16_FLAGS = {"amx_bf16", "avx512_bf16"}


@dataclass(frozen=True)
class Choice:
    """Where and how a network runs."""

    device: str
    backend: str
    precision: str


def choose(
    device: str, backend: str, precision: str, *, folded: bool, foldable: bool = True
) -> Choice:
    """Return what is asked for, with ``auto`` decided by the machine.

    Parameters
    ----------
    device, backend, precision
        One of `DEVICES`, `BACKENDS`, `PRECISIONS`.
    folded
        Whether statistics are folded into the convolutions; OpenVINO runs only such networks.
    foldable
        Whether those of this architecture can be.

    Raises
    ------
    UsageError
        If a word is unknown or the machine has not got what is asked for.
    """
    _require(device, DEVICES, "device")
    _require(backend, BACKENDS, "backend")
    _require(precision, PRECISIONS, "precision")
    place = _device(device, backend)
    engine = _backend(backend, place, folded=folded and foldable, foldable=foldable)
    return Choice(place, engine, _precision(precision, place))


def cpu_flags() -> frozenset[str]:
    """Return the flags of the first CPU, empty where the system does not list them."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return frozenset()
    lines = listing.read_text(encoding="utf-8").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def has_bf16_units() -> bool:
    """Return whether this CPU multiplies bf16 in hardware (AMX or AVX-512 BF16)."""
    return bool(_BF16_FLAGS & cpu_flags())


def openvino_installed() -> bool:
    """Return whether the OpenVINO backend can be used."""
    return find_spec("openvino") is not None


def _device(asked: str, backend: str) -> str:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if asked == "auto":
        return next(name for name in _preference(backend) if present[name])
    if not present[asked]:
        have = ", ".join(name for name, there in present.items() if there)
        raise UsageError(f"This machine has no {asked} device that torch can use; it has {have}.")
    return asked


def _preference(backend: str) -> tuple[str, ...]:
    return ("cpu",) if backend == "openvino" else ("cuda", "mps", "cpu")


def _backend(asked: str, device: str, *, folded: bool, foldable: bool) -> str:
    if asked == "torch":
        return asked
    usable = device == "cpu" and folded and openvino_installed()
    if asked == "auto":
        return "openvino" if usable and _intel() else "torch"
    if device != "cpu":
        raise UsageError(f"The OpenVINO backend runs on the cpu, not on {device}.")
    if not foldable:
        raise UsageError(
            "The OpenVINO backend runs plain convolutions, which this model's architecture cannot "
            "be folded into; take --backend torch."
        )
    if not folded:
        raise UsageError(
            "The OpenVINO backend needs frozen statistics; take --statistics slide or "
            "--backend torch."
        )
    if not openvino_installed():
        raise UsageError(
            "OpenVINO is not installed; run pip install 'napari-virtual-ihc[cpu]' or take "
            "--backend torch."
        )
    return asked


def _precision(asked: str, device: str) -> str:
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if device == "cpu" and has_bf16_units() else "fp32"


def _intel() -> bool:
    listing = Path("/proc/cpuinfo")
    return listing.exists() and "GenuineIntel" in listing.read_text(encoding="utf-8")


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _require(word: str, known: tuple[str, ...], what: str) -> None:
    if word not in known:
        raise UsageError(f"Unknown {what} {word!r}; take one of {', '.join(known)}.")
