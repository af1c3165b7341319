"""The keys of foreign checkpoints brought to one form, before anything is inferred from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRAPPERS = ("module.", "_orig_mod.")
_GENERATORS = ("netG.", "G.", "generator.")
_NEW_SPECTRAL = {
    ".parametrizations.weight.original": ".weight_orig",
    ".parametrizations.weight.0._u": ".weight_u",
    ".parametrizations.weight.0._v": ".weight_v",
}
_RUNNING = ("running_mean", "running_var", "num_batches_tracked")
_Value = TypeVar("_Value")


def strip_prefixes(state: Mapping[str, _Value]) -> tuple[dict[str, _Value], list[str]]:
    """Remove wrapper and generator prefixes repeatedly.

    Returns
    -------
    The remaining entries, and the keys left out because they belong to other networks saved in the
    same file (as ``D.…`` beside ``G.…``).
    """
    kept = dict(state)
    dropped: list[str] = []
    while True:
        prefix = next((p for p in _WRAPPERS + _GENERATORS if _any_starts(kept, p)), None)
        if prefix is None:
            return kept, dropped
        if prefix in _GENERATORS:
            dropped += [key for key in kept if not key.startswith(prefix)]
            kept = {key: value for key, value in kept.items() if key.startswith(prefix)}
        kept = {key.removeprefix(prefix): value for key, value in kept.items()}


def drop_instance_norm_leftovers(
    state: Mapping[str, _Value], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, _Value]:
    """Drop running statistics of layers without a 1-D weight (InstanceNorm before torch 0.4)."""

    def is_leftover(key: str) -> bool:
        layer, _, last = key.rpartition(".")
        return last in _RUNNING and len(shapes.get(f"{layer}.weight", ())) != 1

    return {key: value for key, value in state.items() if not is_leftover(key)}


def old_style_spectral(state: Mapping[str, _Value]) -> dict[str, _Value]:
    """Rename new-style spectral parametrisations to ``weight_orig``, ``weight_u``, ``weight_v``."""

    def renamed(key: str) -> str:
        for new, old in _NEW_SPECTRAL.items():
            if key.endswith(new):
                return key.removesuffix(new) + old
        return key

    return {renamed(key): value for key, value in state.items()}


def _any_starts(state: Mapping[str, _Value], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in state)
