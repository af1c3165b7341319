"""Running a chain of layers while taking, or adding to, what comes out of some of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from napari_virtual_ihc.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn


class Tapped(Protocol):
    """A generator whose encoder features can be taken on the way."""

    def features(self, x: Tensor, taps: Sequence[int], *, whole: bool = False) -> list[Tensor]:
        """Return the outputs of the layers ``taps``, and with ``whole`` the image behind them."""
        ...


def require_taps(taps: Sequence[int], layers: int) -> None:
    """Raise ModelError unless ``taps`` are ascending positions below ``layers``, at least one."""
    if not taps or list(taps) != sorted(set(taps)) or not 0 <= taps[0] <= taps[-1] < layers:
        raise ModelError(f"Feature taps {list(taps)} are not ascending layers of this network.")


def run_tapped(
    layers: nn.Sequential,
    x: Tensor,
    taps: Sequence[int],
    *,
    whole: bool = False,
    added: Mapping[int, Tensor] | None = None,
) -> list[Tensor]:
    """Return the outputs of the layers ``taps`` (ascending positions).

    Parameters
    ----------
    whole
        Run to the end and append the last output; otherwise the last tap ends the run.
    added
        Position → tensor added to that layer's output, before it is taken.

    Raises
    ------
    ModelError
        If the taps are not ascending positions of ``layers``, or something is added to a layer
        that does not run.
    """
    require_taps(taps, len(layers))
    last = len(layers) - 1 if whole else taps[-1]
    extra = dict(added or {})
    if beyond := [position for position in extra if not 0 <= position <= last]:
        raise ModelError(f"Nothing can be added to layer {beyond[0]}: layers 0 … {last} run.")
    found = []
    for position, layer in enumerate(islice(layers, last + 1)):
        x = layer(x)
        if position in extra:
            x = x + extra[position]
        if position in taps:
            found.append(x)
    return [*found, x] if whole else found
