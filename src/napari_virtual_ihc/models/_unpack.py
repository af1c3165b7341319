"""Child process of an import: tensors out of a PyTorch file, in bounded memory, running no code.

Usage: ``python -m napari_virtual_ihc.models._unpack FILE FOLDER``. Writes ``tensors.safetensors``
and ``report.json`` into FOLDER. An error that is not in the report ends the process, which the
parent tells as a damaged file.
"""

from __future__ import annotations

import json
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

HEADROOM_BYTES = 512 << 20
TIMES_FILE = 4
_SUB_DICTS = ("state_dict", "model", "netG", "G", "generator", "params_ema")


class Refused(Exception):
    """The file is not what an import accepts; the text completes "it …"."""


def main(source: Path, folder: Path) -> None:
    """Unpack ``source`` into ``folder``."""
    report: dict[str, Any] = {"limited": _limit_memory(source.stat().st_size)}
    try:
        found = tensors(generator_part(load(source)))
        require_plausible(found, source.stat().st_size)
        save_file(plain(found), folder / "tensors.safetensors")
    except Refused as refusal:
        report["refused"] = str(refusal)
    except MemoryError:
        report["refused"] = "needs more memory than a checkpoint of its size may use"
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _limit_memory(file_bytes: int) -> bool:
    """Bound the address space beyond what torch has mapped; False where the system cannot."""
    try:
        import resource
    except ImportError:
        return False
    status = Path("/proc/self/statm")
    if not status.exists():
        return False
    mapped = int(status.read_text().split()[0]) * resource.getpagesize()
    allowed = mapped + HEADROOM_BYTES + TIMES_FILE * file_bytes
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    written = HEADROOM_BYTES + TIMES_FILE * file_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def load(source: Path) -> object:
    """Return what a PyTorch file holds, tensors and plain values only."""
    try:
        content: object = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Refused(_reason(str(error))) from error
    except RuntimeError as error:
        if "allocate" in str(error) or "bad_alloc" in str(error):
            raise MemoryError from error
        raise
    return content


def _reason(message: str) -> str:
    """Tell garbage from a file that asks for objects; ``message`` is torch's."""
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if "Unsupported operand" in message or "eights only" not in message:
        return "is damaged or not a PyTorch checkpoint"
    what = f" ({found[1]})" if found else ""
    return (
        f"holds Python objects{what} besides tensors and was not loaded, because that could run "
        "code; save the network's state_dict() instead"
    )


def generator_part(content: object) -> dict[object, object]:
    """Return the generator's dictionary out of a training checkpoint's."""
    while isinstance(content, dict):
        inner = next((content[k] for k in _SUB_DICTS if isinstance(content.get(k), dict)), None)
        if inner is None:
            return content
        content = inner
    raise Refused(f"holds a {type(content).__name__}, not a dictionary of tensors")


def tensors(state: dict[object, object]) -> dict[str, Tensor]:
    """Return the entries that are tensors."""
    return {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}


def require_plausible(tensors: dict[str, Tensor], file_bytes: int) -> None:
    """Refuse tensors of odd kinds, and more bytes of them than the file can hold."""
    for key, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
            raise Refused(f"holds the tensor {key!r} in a form that no network here has")
    declared = sum(t.numel() * t.element_size() for t in tensors.values())
    if declared > TIMES_FILE * file_bytes:
        raise Refused(f"declares {declared} bytes of tensors in a file of {file_bytes} bytes")


def plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous copies, floating point ones as float32."""
    return {
        key: (t.float() if t.is_floating_point() else t).contiguous().clone()
        for key, t in tensors.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
