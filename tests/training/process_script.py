"""One process of a training that several share; run by ``torchrun``. What goes wrong is asked for.

Arguments: run folder, settings as JSON, trouble (``none``, ``nan``, ``raise``, ``die`` or
``stop``), which happens in the last process at step 3.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import torch

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.base import Batch, Engine


def main(path: str, content: str, trouble: str) -> None:
    settings = TrainingSettings.model_validate_json(content)
    trainer = Trainer(RunFolder(path), settings)
    place = trainer.world.place
    honest = trainer.method.training_step

    def step(batch: Batch, engine: Engine) -> dict[str, torch.Tensor]:
        if batch.step != 3 or place.rank != place.size - 1:
            return honest(batch, engine)
        if trouble == "raise":
            raise ValueError("the picture fell off the shelf")
        if trouble == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "stop":
            os.kill(os.getpid(), signal.SIGTERM)
        losses = honest(batch, engine)
        return losses | {"GAN": torch.tensor(float("nan"))} if trouble == "nan" else losses

    trainer.method.training_step = step  # type: ignore[method-assign]
    outcome = trainer.train()
    weights = [
        float(p.detach().sum()) for n in trainer.method.networks.values() for p in n.parameters()
    ]
    told = {"rank": place.rank, "outcome": outcome, "sum": sum(weights)}
    print("told " + json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
