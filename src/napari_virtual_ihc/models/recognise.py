"""The architecture of a foreign checkpoint, inferred from its keys and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from napari_virtual_ihc.errors import CheckpointError
from napari_virtual_ihc.networks.resnet import ResnetConfig
from napari_virtual_ihc.networks.unet import UnetConfig

Shapes = Mapping[str, tuple[int, ...]]
_DROPOUT = 0.5
_ADVICE = "select the generator's file (such as latest_net_G.pth) instead"


@dataclass(frozen=True)
class Recognised:
    """A network to be built: registry name, configuration, and what the keys cannot tell."""

    architecture: Literal["resnet", "unet"]
    config: ResnetConfig | UnetConfig
    notes: tuple[str, ...] = ()


def recognise(shapes: Shapes) -> Recognised:
    """Return the generator that ``shapes`` (key → tensor shape) belongs to.

    Keys are expected without prefixes and with old-style spectral names.

    Raises
    ------
    CheckpointError
        If the file is a discriminator, a projection head, or nothing known.
    """
    _refuse_other_networks(shapes)
    if any(key.startswith("model.model.") for key in shapes):
        return _unet(shapes)
    stem = _weight(shapes, "model.1")
    if stem is not None and stem[2:] == (7, 7):
        return _resnet(shapes, stem)
    raise CheckpointError(f"it is no generator known here (its first keys: {_first_keys(shapes)})")


def _refuse_other_networks(shapes: Shapes) -> None:
    if not shapes:
        raise CheckpointError("it holds no tensors")
    if any(key.startswith("mlp_") for key in shapes):
        raise CheckpointError(f"it is a projection head (netF); {_ADVICE}")
    classic = _weight(shapes, "model.0") is not None or any(
        key.startswith(("enc.", "final_conv.", "net.", "layer0.")) for key in shapes
    )
    if classic:
        raise CheckpointError(f"it is a discriminator (netD); {_ADVICE}")


def _resnet(shapes: Shapes, stem: tuple[int, ...]) -> Recognised:
    blocks = _indices(shapes, r"model\.(\d+)\.conv_block\.")
    if not blocks:
        raise CheckpointError("it has a ResNet generator's first layer but no residual blocks")
    convs = _indices(shapes, r"model\.(\d+)\.weight(?:_orig)?$", dims=4)
    filters = {shape[-1] for key, shape in shapes.items() if key.endswith(".filt")}
    last = _weight(shapes, f"model.{convs[-1]}") or (0,)
    inner = _indices(shapes, rf"model\.{blocks[0]}\.conv_block\.(\d+)\.weight(?:_orig)?$", dims=4)
    dropout = inner[-1:] == [6]
    config = ResnetConfig(
        input_nc=stem[1],
        output_nc=last[0],
        ngf=stem[0],
        n_blocks=len(blocks),
        n_downsampling=sum(index < blocks[0] for index in convs) - 1,
        norm="batch" if len(shapes.get("model.2.weight", ())) == 1 else "instance",
        dropout=_DROPOUT if dropout else 0.0,
        antialias=3 in filters,
        antialias_up=4 in filters,
        spectral=any(key.endswith(".weight_orig") for key in shapes),
    )
    notes = (f"Trained with dropout; its rate is taken as {_DROPOUT}.",) if dropout else ()
    return Recognised("resnet", config, notes)


def _unet(shapes: Shapes) -> Recognised:
    first, last = _weight(shapes, "model.model.0"), _weight(shapes, "model.model.3")
    if first is None or last is None:
        raise CheckpointError(
            "its keys begin like a U-Net's but its outer convolutions are missing"
        )
    batch = len(shapes.get("model.model.1.model.2.weight", ())) == 1
    config = UnetConfig(
        input_nc=first[1],
        output_nc=last[1],
        ngf=first[0],
        n_downs=_unet_depth(shapes),
        norm="batch" if batch else "instance",
    )
    return Recognised(
        "unet", config, ("The keys do not tell whether it was trained with dropout.",)
    )


def _unet_depth(shapes: Shapes) -> int:
    depth, prefix = 1, "model.model.1.model"
    while _weight(shapes, f"{prefix}.1") is not None:
        depth, prefix = depth + 1, f"{prefix}.3.model"
    return depth


def _weight(shapes: Shapes, layer: str) -> tuple[int, ...] | None:
    shape = shapes.get(f"{layer}.weight", shapes.get(f"{layer}.weight_orig"))
    return shape if shape is not None and len(shape) == 4 else None


def _indices(shapes: Shapes, pattern: str, dims: int | None = None) -> list[int]:
    matches = ((re.match(pattern, key), shape) for key, shape in shapes.items())
    return sorted({int(m[1]) for m, shape in matches if m and dims in (None, len(shape))})


def _first_keys(shapes: Shapes) -> str:
    return ", ".join(list(shapes)[:4])
