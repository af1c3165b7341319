"""All that a training changes, put into a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.training.checkpoints import Checkpoint, part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.training.averaging import Average


@dataclass
class State:
    """A method in training.

    Attributes
    ----------
    method
        Its networks, optimisers and memory.
    average
        Moving average of the artifact's weights, where the recipe asks for one.
    scaler
        Scale of float16 gradients, where the precision needs one.
    device
        Where the networks are.
    """

    method: Method
    average: Average | None
    scaler: torch.amp.GradScaler | None
    device: torch.device

    def artifact(self) -> dict[str, Tensor]:
        """Return the state dict that is validated and kept: the average where there is one."""
        if self.average is not None:
            return self.average.tensors
        return self.method.generator().state_dict()

    def capture(self, step: int, memories: Sequence[Mapping[str, Tensor]]) -> Checkpoint:
        """Return the state after ``step`` steps.

        Parameters
        ----------
        memories
            The memory of each process, by rank.
        """
        tensors: dict[str, Tensor] = {}
        for letter, network in self.method.networks.items():
            tensors |= {f"net/{letter}/{k}": v.detach() for k, v in network.state_dict().items()}
        for rank, memory in enumerate(memories):
            tensors |= {f"{_mark(rank)}{key}": value.detach() for key, value in memory.items()}
        if self.average is not None:
            tensors |= {f"ema/{key}": value for key, value in self.average.tensors.items()}
        groups: dict[str, Any] = {}
        for letter, optimiser in self.method.optimisers.items():
            state = optimiser.state_dict()
            groups[letter] = state["param_groups"]
            for index, entries in state["state"].items():
                tensors |= {f"opt/{letter}/{index}/{name}": v for name, v in entries.items()}
        scale = {} if self.scaler is None else self.scaler.state_dict()
        return Checkpoint(step, tensors, groups, scale)

    def restore(self, checkpoint: Checkpoint, rank: int) -> None:
        """Put everything back, this process's memory included.

        Raises
        ------
        JobError
            If the checkpoint does not fit the method's networks.
        """
        self.restore_weights(checkpoint)
        memory = part(checkpoint.tensors, _mark(rank))
        self.method.memory = {key: value.to(self.device) for key, value in memory.items()}
        for letter, optimiser in self.method.optimisers.items():
            optimiser.load_state_dict(_optimiser_state(checkpoint, letter))
        if self.scaler is not None and checkpoint.scale:
            self.scaler.load_state_dict(checkpoint.scale)

    def restore_weights(self, checkpoint: Checkpoint) -> None:
        """Take the checkpoint's weights and their average, and nothing else; raises alike.

        Where it has no average, that begins anew from its weights.
        """
        for letter, network in self.method.networks.items():
            try:
                network.load_state_dict(part(checkpoint.tensors, f"net/{letter}/"))
            except RuntimeError as error:
                raise JobError(
                    f"The checkpoint of step {checkpoint.step} does not fit network {letter!r}."
                ) from error
        if self.average is None:
            return
        kept = part(checkpoint.tensors, "ema/")
        self.average.start()
        if kept:
            self.average.load(kept)


def _mark(rank: int) -> str:
    """Return what the names of a process's memory begin with."""
    return f"mem.{rank}/" if rank else "mem/"


def _optimiser_state(checkpoint: Checkpoint, letter: str) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in part(checkpoint.tensors, f"opt/{letter}/").items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [group | {"betas": tuple(group["betas"])} for group in checkpoint.groups[letter]]
    return {"state": state, "param_groups": groups}
