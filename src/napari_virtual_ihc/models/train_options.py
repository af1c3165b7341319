"""The options file that CUT-family codes write beside checkpoints, checked against the keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_virtual_ihc.networks.unet import UnetConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_virtual_ihc.networks.resnet import ResnetConfig

_NAMES = ("train_opt.txt", "opt.txt")
_LINE = re.compile(r"^\s*(\w+):\s(.*?)\s*(?:\[default:.*\])?\s*$")
_MAX_BYTES = 1 << 20


def read_options(checkpoint: Path) -> dict[str, str]:
    """Return the options beside ``checkpoint`` as text, empty where there is no file."""
    for name in _NAMES:
        path = checkpoint.with_name(name)
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            return {m[1]: m[2] for line in lines if (m := _LINE.match(line))}
    return {}


def contradictions(
    options: Mapping[str, str], config: ResnetConfig | UnetConfig, checkpoint: Path
) -> list[str]:
    """Return one sentence per option that the keys contradict; the keys win.

    The direction cannot be seen in the keys: BtoA, or a file named ``…_net_G_B``, is a warning too.
    """
    found = [
        f"The options file says {name} = {options[name]}, the weights say {told}."
        for name, told in _expected(config)
        if name in options and options[name] not in told.split(" or ")
    ]
    if options.get("direction") == "BtoA":
        found.append(
            "The options file says direction = BtoA: this generator may make H&E from IHC."
        )
    if checkpoint.stem.endswith("net_G_B"):
        found.append(
            "A file named net_G_B usually maps IHC to H&E; net_G_A is the other direction."
        )
    return found


def _expected(config: ResnetConfig | UnetConfig) -> Iterator[tuple[str, str]]:
    yield "ngf", str(config.ngf)
    yield "norm", config.norm
    yield "normG", config.norm
    if isinstance(config, UnetConfig):
        yield "netG", f"unet_{2**config.n_downs}"
        return
    yield "netG", f"resnet_{config.n_blocks}blocks"
    yield "no_dropout", str(config.dropout == 0)
    yield "no_antialias", str(not config.antialias)
    yield "no_antialias_up", str(not config.antialias_up)
    yield "weight_norm", "spectral" if config.spectral else "none or None"
