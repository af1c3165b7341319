"""Methods by name: ours in one dict, third parties' through an entry point group."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.methods.ammfi import Ammfi
from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.cut import Cut
from napari_virtual_ihc.methods.cyclegan import CycleGan
from napari_virtual_ihc.methods.fastcut import FastCut
from napari_virtual_ihc.methods.mdcl import Mdcl
from napari_virtual_ihc.methods.miu_diff import MiuDiff
from napari_virtual_ihc.methods.miu_diff_estimator import MiuDiffEstimator
from napari_virtual_ihc.methods.pix2pix import Pix2Pix
from napari_virtual_ihc.methods.pspstain import PspStain
from napari_virtual_ihc.methods.pspstain_prior import PspStainPrior
from napari_virtual_ihc.methods.pyramid_p2p import PyramidP2P
from napari_virtual_ihc.methods.sim_gan import SimGan
from napari_virtual_ihc.methods.vsmt import Vsmt
from napari_virtual_ihc.methods.vsmt_auxiliaries import VsmtReconstruction
from napari_virtual_ihc.methods.vsmt_classification import VsmtClassification

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.methods.recipe import Recipe

GROUP = "napari_virtual_ihc.methods"
_OURS: dict[str, type[Method]] = {
    kind.name: kind
    for kind in (
        Pix2Pix,
        PyramidP2P,
        CycleGan,
        Cut,
        FastCut,
        Asp,
        Mdcl,
        SimGan,
        Ammfi,
        PspStainPrior,
        PspStain,
        VsmtReconstruction,
        VsmtClassification,
        Vsmt,
        MiuDiff,
        MiuDiffEstimator,
    )
}


def methods() -> dict[str, type[Method]]:
    """Return all installed methods by name; ours cannot be replaced by another package's."""
    theirs = {entry.name: entry.load() for entry in entry_points(group=GROUP)}
    return theirs | _OURS


def method_named(name: str) -> type[Method]:
    """Return the method ``name``.

    Raises
    ------
    UsageError
        If it is not installed; the sentence lists what is.
    """
    known = methods()
    if name not in known:
        raise UsageError(f"Method {name!r} is unknown; installed are {', '.join(sorted(known))}.")
    return known[name]


def preset(method: type[Method], name: str) -> Recipe:
    """Return the recipe ``name`` of ``method``.

    Raises
    ------
    UsageError
        If the method has no such preset; the sentence lists its presets.
    """
    if name not in method.presets:
        raise UsageError(
            f"Method {method.name!r} has no preset {name!r}; it has {', '.join(method.presets)}."
        )
    return method.presets[name]
