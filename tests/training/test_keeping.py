"""Averaged weights, the best weights, and what the card says of them."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any

import lightning_fabric
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_loop import kinds, new_run, stop_at

from napari_virtual_ihc import __version__
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.averaging import Average
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.scale import seen_mpp
from napari_virtual_ihc.training.state import State
from napari_virtual_ihc.training.validation import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.settings import TrainingSettings


class Scripted:
    """A validator whose merits are given, by step."""

    def __init__(self, trainer: Trainer, merits: Mapping[int, float | None]) -> None:
        self.trainer = trainer
        self.merits = merits
        self.step = 0
        self.seen: dict[int, dict[str, Tensor]] = {}
        trainer.keeper._validator = self

    def judge(self, weights: Mapping[str, Tensor]) -> Verdict:
        merit = self.merits[self.step]
        self.seen[self.step] = {key: value.clone() for key, value in weights.items()}
        figure = ValidationFigure(name="dab_area_r", value=merit or 0.0, protocol="scripted")
        return Verdict((figure,), merit, {})

    def sample(self, weights: Mapping[str, Tensor], path: Path) -> None:
        path.write_bytes(b"")


def scripted_run(
    run: RunFolder, settings: TrainingSettings, merits: Mapping[int, float | None]
) -> Scripted:
    trainer = Trainer(run, settings)
    validator = Scripted(trainer, merits)
    honest = trainer.method.training_step

    def counted(batch: Any, engine: Any) -> Any:
        validator.step = batch.step + 1
        return honest(batch, engine)

    trainer.method.training_step = counted  # type: ignore[method-assign]
    trainer.train()
    return validator


MERITS = {1: 0.2, 2: 0.7, 3: None, 4: 0.6, 5: 0.7, 6: 0.1}


def weights_of(run: RunFolder) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = load_file(run.model_dir / "weights.safetensors")
    return loaded


def test_the_best_is_kept_beside_the_last_two_and_becomes_the_model(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(
        "spectral_norm=false", validation_steps=1, checkpoint_steps=1, finish_with="best"
    )
    run = new_run(tmp_path / "run", settings)
    validator = scripted_run(run, settings, MERITS)
    names = sorted(path.name for path in run.checkpoints_dir.iterdir())
    assert names == ["best-000000002", "step-000000005", "step-000000006"]
    assert [e["step"] for e in run.events() if e["event"] == "best"] == [1, 2]
    card = load_model(run.model_dir).card
    assert card.recipe["weights"] == "best"
    assert card.recipe["weights_step"] == 2
    assert card.validation[0].value == 0.7
    assert "The weights are the best by validation, those after step 2 of 6." in card.notes
    for key, value in weights_of(run).items():
        assert torch.equal(value, validator.seen[2][key])


def test_the_last_weights_are_taken_unless_asked_otherwise(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("spectral_norm=false", validation_steps=1)
    run = new_run(tmp_path / "run", settings)
    validator = scripted_run(run, settings, MERITS)
    card = load_model(run.model_dir).card
    assert (card.recipe["weights"], card.recipe["weights_step"]) == ("last", 6)
    assert card.validation[0].value == 0.1
    for key, value in weights_of(run).items():
        assert torch.equal(value, validator.seen[6][key])


def test_without_any_figure_the_card_says_that_the_weights_are_the_last(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(finish_with="best", steps=1)
    run = new_run(tmp_path / "run", settings)
    scripted_run(run, settings, {1: None})
    card = load_model(run.model_dir).card
    assert card.recipe["weights"] == "last"
    assert any("these are the last weights" in note for note in card.notes)


def test_a_resumed_run_knows_the_best_before_it(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(validation_steps=1, steps=4)
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    Scripted(trainer, dict.fromkeys(range(9), 0.5))
    stop_at(trainer, 2)
    scripted_run(run, settings, {3: 0.4, 4: 0.3})
    assert checkpoints.best_merit(run.checkpoints_dir) == 0.5
    found = checkpoints.best(run.checkpoints_dir)
    assert found is not None
    assert found.step == 1


def test_a_full_disk_keeps_the_former_best(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(validation_steps=1, steps=2)
    run = new_run(tmp_path / "run", settings)
    honest = checkpoints.save_file

    def full(tensors: dict[str, Tensor], file: Path) -> None:
        if (run.checkpoints_dir / "best-000000001").exists() and ".best" in str(file):
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(tensors, file)

    monkeypatch.setattr(checkpoints, "save_file", full)
    scripted_run(run, settings, {1: 0.1, 2: 0.2})
    assert "checkpoint_failed" in kinds(run)
    found = checkpoints.best(run.checkpoints_dir)
    assert found is not None
    assert found.step == 1
    assert not list(run.checkpoints_dir.glob(".*"))


def test_what_a_killed_process_left_is_swept_away(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(steps=1)
    run = new_run(tmp_path / "run", settings)
    (run.checkpoints_dir / ".step-xyz").mkdir()
    (run.checkpoints_dir / ".step-xyz" / "state.safetensors").write_bytes(b"half")
    Trainer(run, settings).train()
    assert not list(run.checkpoints_dir.glob(".*"))


def test_a_moving_average_follows_its_definition() -> None:
    torch.manual_seed(0)
    network = PatchGan(PatchGanConfig(ndf=2, n_layers=1, norm="batch"))
    average = Average(network, 0.75)
    expected = {k: v.detach().clone() for k, v in network.named_parameters()}
    for _ in range(3):
        network(torch.rand(2, 3, 16, 16))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.add_(torch.randn_like(parameter))
                expected[name] = 0.75 * expected[name] + 0.25 * parameter
        average.update()
    for name, value in expected.items():
        torch.testing.assert_close(average.tensors[name], value)
    for name, buffer in network.named_buffers():
        assert torch.equal(average.tensors[name], buffer)


def test_the_average_is_validated_finished_and_resumed(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("ema_decay=0.8", "spectral_norm=false", precision="32-true")
    whole, parts = (new_run(tmp_path / name, settings) for name in ("whole", "parts"))
    Trainer(whole, settings).train()
    stop_at(Trainer(parts, settings), 3)
    trainer = Trainer(parts, settings)
    trainer.train()
    found = checkpoints.latest(parts.checkpoints_dir)
    assert found is not None
    for key, value in weights_of(parts).items():
        assert torch.equal(value, found.tensors[f"ema/{key}"])
        assert torch.equal(value, weights_of(whole)[key])
    last = trainer.method.generator().state_dict()
    assert any(not torch.equal(value, last[key]) for key, value in weights_of(parts).items())
    assert load_model(parts.model_dir).card.recipe["averaged"] is True


def test_another_runs_average_is_taken_over_or_begun_from_its_weights(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    runs = {}
    for name, switches in {"with": ("ema_decay=0.5",), "without": ()}.items():
        runs[name] = new_run(tmp_path / name, tiny(*switches))
        Trainer(runs[name], tiny(*switches)).train()
    for name, kept in {"with": "ema/", "without": "net/G/"}.items():
        settings = tiny("ema_decay=0.9", start=runs[name].path)
        trainer = Trainer(new_run(tmp_path / f"from {name}", settings), settings)
        trainer.keeper.restore()
        found = checkpoints.latest(runs[name].checkpoints_dir)
        assert found is not None
        for key, value in trainer.state.artifact().items():
            assert torch.equal(value, found.tensors[f"{kept}{key}"])


def test_two_letters_may_name_one_network(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    trainer.method.networks["again"] = trainer.method.networks["F"]
    state = trainer.state.capture(3, [{}])
    (tmp_path / "checkpoints").mkdir()
    checkpoints.save(tmp_path / "checkpoints", state)
    found = checkpoints.latest(tmp_path / "checkpoints")
    assert found is not None
    assert isinstance(trainer.state, State)
    trainer.state.restore(found, 0)


def test_the_card_says_how_the_model_came_to_be(
    tmp_path: Path, pairs: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(seed=5, registered=True, precision="bf16-mixed", notes=("a note",), steps=2)
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    trainer.train()
    card = load_model(run.model_dir).card
    recipe = card.recipe
    assert isinstance(recipe, dict)
    told = ("version", "torch", "numpy", "lightning_fabric", "precision", "processes", "device")
    assert [recipe[name] for name in told] == [
        __version__,
        torch.__version__,
        np.__version__,
        lightning_fabric.__version__,
        "bf16-mixed",
        1,
        "cpu",
    ]
    assert (recipe["seed"], recipe["steps"], recipe["preset"]) == (5, 2, "smoke")
    assert recipe["fields"] == settings.recipe
    assert card.data_regime == "registered"
    assert card.data_fingerprint == trainer.data.fingerprint
    assert not isinstance(card.input_colour, str)
    assert not isinstance(card.output_colour, str)
    assert "a note" in card.notes
    assert tiny("aligned=false").recipe["aligned"] is False


def test_an_unaligned_recipe_makes_unpaired_data_of_any(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("aligned=false", steps=1, registered=True)
    run = new_run(tmp_path / "run", settings)
    Trainer(run, settings).train()
    assert load_model(run.model_dir).card.data_regime == "unpaired"


def test_resizing_changes_the_scale_that_the_card_states(
    tmp_path: Path, pairs: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("load_size=48", steps=1)
    run = new_run(tmp_path / "run", settings)
    Trainer(run, settings).train()
    assert load_model(run.model_dir).card.mpp_in == pytest.approx(1.0)
    data = PairFolder.open(pairs, mpp=0.5, marker="Ki-67", crop=1)
    assert seen_mpp(data, None) == 0.5


def test_pictures_that_resizing_would_give_different_scales_are_refused(
    tmp_path: Path, pairs: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    from PIL import Image

    for side in ("HE", "IHC"):
        shutil.copy(pairs / side / "tile0.png", pairs / side / "large.png")
        with Image.open(pairs / side / "large.png") as picture:
            picture.resize((140, 140)).save(pairs / side / "large.png")
    settings = tiny("load_size=48")
    with pytest.raises(DataError, match="sides of 96 to 140 px"):
        Trainer(new_run(tmp_path / "run", settings), settings)
