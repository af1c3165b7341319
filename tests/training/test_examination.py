"""Networks that serve other methods: examined, pictured, kept as what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from test_loop import kinds, new_run
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.methods import registry
from napari_virtual_ihc.methods.learner import Learner
from napari_virtual_ihc.methods.recipe import Recipe
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.translation.plan import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_virtual_ihc.methods.base import Batch, Engine


class Rebuilder(Learner[Recipe]):
    """Rebuilds H&E from itself; no more than that."""

    name: ClassVar[str] = "rebuilder"
    title: ClassVar[str] = "A rebuilder for tests"
    recipe_type: ClassVar[type[Recipe]] = Recipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "smoke": Recipe(batch_size=2, crop_size=32, n_epochs=1, n_epochs_decay=0)
    }
    artifact = "auxiliary"
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    protocols: ClassVar[Mapping[str, str]] = {
        "l1": "mean |rebuilt - H&E|",
        "drawn": "a number drawn from the batch",
        "brightness": "mean of the H&E",
    }
    config = UnetConfig(ngf=2, n_downs=5, norm="instance")

    def _build_networks(self) -> dict[str, nn.Module]:
        return {"G": UnetGenerator(self.config)}

    def architecture(self) -> tuple[str, dict[str, object]]:
        return "unet", describe(self.config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        self.optimisers["G"].zero_grad()
        loss = F.l1_loss(self.networks["G"](batch.he), batch.he)
        engine.backward(loss)
        engine.step(self.optimisers["G"])
        return {"L1": loss.detach()}

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        assert not network.training
        return {
            "brightness": float(batch.he.mean()),
            "l1": float((network(batch.he) - batch.he).abs().mean()),
            "drawn": float(torch.rand((), generator=batch.generator)),
        }

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        return torch.cat([batch.he[0], network(batch.he)[0]], dim=2)


@pytest.fixture
def settings(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingSettings:
    monkeypatch.setitem(registry._OURS, "rebuilder", Rebuilder)
    recipe = Rebuilder.presets["smoke"]
    return TrainingSettings(
        method="rebuilder",
        preset="smoke",
        recipe=recipe.model_dump(mode="json"),
        data=pairs,
        mpp=0.5,
        steps=6,
        device="cpu",
        validation_steps=2,
        finish_with="best",
    )


@pytest.fixture
def with_three_held_out(pairs: Path) -> None:
    """Names of slides, so that three pictures of one slide are held out."""
    for side in ("HE", "IHC"):
        for number, file in enumerate(sorted((pairs / side).iterdir())):
            file.rename(file.with_name(f"M{number // 3}_{number}_0.png"))


@pytest.mark.usefixtures("with_three_held_out")
def test_an_auxiliary_is_examined_pictured_and_kept(
    settings: TrainingSettings, tmp_path: Path
) -> None:
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    assert trainer.train() == "finished"
    assert {"sample", "validation", "best", "finished"} <= set(kinds(run))
    (sample,) = run.samples_dir.iterdir()
    with Image.open(sample) as picture:
        assert picture.size == (64, 32)
    card = load_model(run.model_dir).card
    assert (card.kind, card.tiling, card.default_statistics) == ("auxiliary", "none", "none")
    assert [figure.name for figure in card.validation] == ["l1", "drawn", "brightness"]
    held_out = len(trainer.data.validation)
    assert {figure.n for figure in card.validation} == {held_out}
    assert card.validation[0].protocol == "mean |rebuilt - H&E|; mean over held-out pairs"
    with pytest.raises(ModelError, match="is of kind auxiliary and cannot translate"):
        facts_of(card)


def test_lower_is_better_where_the_method_says_so(
    settings: TrainingSettings, tmp_path: Path
) -> None:
    run = new_run(tmp_path / "run", settings)
    Trainer(run, settings).train()
    judged = {
        e["step"]: e["figures"][0]["value"] for e in run.events() if e["event"] == "validation"
    }
    found = checkpoints.best(run.checkpoints_dir)
    assert found is not None
    assert found.step == min(judged, key=lambda step: judged[step])
    assert load_model(run.model_dir).card.validation[0].value == min(judged.values())


@pytest.mark.usefixtures("with_three_held_out")
def test_figures_are_means_over_pictures_whatever_the_batches(
    settings: TrainingSettings, tmp_path: Path
) -> None:
    """Three pictures in batches of two and one."""
    large = settings.model_copy(update={"recipe": settings.recipe | {"batch_size": 1}})
    verdicts = []
    for name, chosen in {"two": settings, "one": large}.items():
        trainer = Trainer(new_run(tmp_path / name, chosen), chosen)
        trainer.data = trainer.data
        verdict = trainer.keeper._validator.judge(trainer.state.artifact())
        again = trainer.keeper._validator.judge(trainer.state.artifact())
        assert verdict == again
        verdicts.append({figure.name: figure.value for figure in verdict.figures})
    assert verdicts[0]["brightness"] == pytest.approx(verdicts[1]["brightness"], abs=1e-6)
    assert verdicts[0]["l1"] == pytest.approx(verdicts[1]["l1"], abs=1e-5)


def test_an_artifact_without_figures_is_refused_before_training(
    settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unexamined(Rebuilder):
        examine = None  # type: ignore[assignment]

    monkeypatch.delattr(Rebuilder, "picture")
    monkeypatch.setitem(registry._OURS, "rebuilder", Rebuilder)
    with pytest.raises(UsageError, match="trains an auxiliary and cannot examine it"):
        Trainer(new_run(tmp_path / "run", settings), settings)


def test_pictures_are_central_crops(settings: TrainingSettings, tmp_path: Path) -> None:
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    validator = trainer.keeper._validator
    held_out = validator._held_out  # type: ignore[attr-defined]
    (batch,) = list(validator._batches())  # type: ignore[attr-defined]
    he = held_out.read(held_out.pairs[0])[0]
    crop = he[32:64, 32:64].astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(batch.he[0].numpy(), crop, atol=1e-6)
