from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from napari_virtual_ihc.errors import DataError, JobError
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.training.state import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.methods.base import Batch, Engine


def new_run(path: Path, settings: TrainingSettings) -> RunFolder:
    facts = {"kind": "train", "settings": settings.model_dump(mode="json")}
    return RunFolder.create(path, facts, "train")


def kinds(run: RunFolder) -> list[str]:
    return [event["event"] for event in run.events()]


def stop_at(trainer: Trainer, step: int) -> None:
    def report(done: int, total: int) -> None:
        if done == step:
            trainer._stop.asked = True

    assert trainer.train(report) == "stopped"


@pytest.fixture
def finished(tmp_path: Path, tiny: Callable[..., TrainingSettings]) -> RunFolder:
    settings = tiny()
    run = new_run(tmp_path / "whole", settings)
    assert Trainer(run, settings).train() == "finished"
    return run


def test_a_run_tells_its_story(finished: RunFolder) -> None:
    told = kinds(finished)
    assert told[0] == "started"
    assert told[-1] == "finished"
    assert told.count("losses") == 6
    assert {"sample", "checkpoint", "validation", "finding"} <= set(told)
    assert list(finished.losses()) == list(range(6))
    (sample,) = finished.samples_dir.glob("*.png")
    with Image.open(sample) as picture:
        assert picture.size[0] == 3 * 96
    assert finished.state() == "finished"


def test_the_model_loads_and_its_card_knows_where_it_came_from(finished: RunFolder) -> None:
    model = load_model(finished.model_dir)
    card = model.card
    assert (card.marker, card.mpp_in, card.mpp_out) == ("Ki-67", 0.5, 0.5)
    assert card.data_regime == "paired"
    assert card.recipe["fields"]["ngf"] == 4
    assert card.recipe["steps"] == 6
    assert card.tiling == "exact"
    assert card.default_statistics == "slide"
    assert card.input_colour != "unknown"
    assert not card.arguments["spectral"]
    image = torch.rand(1, 3, 32, 32)
    assert model.network()(image).shape == image.shape


def test_the_model_is_the_trained_generator_with_spectral_norm_folded(
    finished: RunFolder,
) -> None:
    found = checkpoints.latest(finished.checkpoints_dir)
    assert found is not None
    settings = TrainingSettings.read(finished.facts(), finished.facts_file)
    method = Asp.build(Asp.recipe_type.model_validate(settings.recipe), 0)
    State(method, None, None, torch.device("cpu")).restore(found, 0)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        expected = method.generator().eval()(image)
        ours = load_model(finished.model_dir).network()(image)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("switch", ["dropout=0.5", "statistics=batch"])
def test_a_stopped_run_goes_on_bit_for_bit(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], switch: str
) -> None:
    settings = tiny(switch, "augmentation.noise=2")
    whole = new_run(tmp_path / "whole", settings)
    Trainer(whole, settings).train()
    parts = new_run(tmp_path / "parts", settings)
    stop_at(Trainer(parts, settings), 3)
    assert parts.last_lifecycle_event() is not None
    assert kinds(parts)[-1] == "stopped"
    assert Trainer(parts, settings).train() == "finished"
    assert parts.losses() == whole.losses()
    ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_killed_between_checkpoints_repeats_the_lost_steps_bit_for_bit(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(checkpoint_steps=2)
    whole = new_run(tmp_path / "whole", settings)
    Trainer(whole, settings).train()

    class Killed(BaseException):
        pass

    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    honest = trainer.method.training_step

    def step(batch: Batch, engine: Engine) -> dict[str, torch.Tensor]:
        if batch.step == 5:
            raise Killed
        return honest(batch, engine)

    monkeypatch.setattr(trainer.method, "training_step", step)
    with pytest.raises(Killed):
        trainer.train()
    found = checkpoints.latest(run.checkpoints_dir)
    assert found is not None
    assert found.step == 4
    Trainer(run, settings).train()
    assert run.losses() == whole.losses()


def test_nan_stops_with_step_term_and_files(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(checkpoint_steps=1)
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    honest = trainer.method.training_step

    def step(batch: Batch, engine: Engine) -> dict[str, torch.Tensor]:
        losses = honest(batch, engine)
        return losses | {"GP": torch.tensor(float("nan"))} if batch.step == 2 else losses

    monkeypatch.setattr(trainer.method, "training_step", step)
    with pytest.raises(JobError, match=r"'GP' is not a number at step 2, with .*tile\d\.png"):
        trainer.train()
    last = run.last_lifecycle_event()
    assert last is not None
    assert last["event"] == "failed"
    assert "tile" in last["message"]
    found = checkpoints.latest(run.checkpoints_dir)
    assert found is not None
    assert found.step == 2


def test_a_full_disk_keeps_the_former_checkpoint(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(checkpoint_steps=2)
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    honest = checkpoints.save_file

    def full(tensors: dict[str, torch.Tensor], file: Path) -> None:
        if (run.checkpoints_dir / "step-000000002").exists():
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(tensors, file)

    monkeypatch.setattr(checkpoints, "save_file", full)
    assert trainer.train() == "finished"
    found = checkpoints.latest(run.checkpoints_dir)
    assert found is not None
    assert found.step == 2
    assert "checkpoint_failed" in kinds(run)
    assert [p.name for p in run.checkpoints_dir.iterdir()] == ["step-000000002"]


def test_a_damaged_checkpoint_is_passed_over(finished: RunFolder) -> None:
    checkpoint = checkpoints.latest(finished.checkpoints_dir)
    assert checkpoint is not None
    newer = checkpoints.Checkpoint(9, checkpoint.tensors, checkpoint.groups)
    place = checkpoints.save(finished.checkpoints_dir, newer)
    data = bytearray((place / "state.safetensors").read_bytes())
    data[-1] ^= 1
    (place / "state.safetensors").write_bytes(data)
    found = checkpoints.latest(finished.checkpoints_dir)
    assert found is not None
    assert found.step == 6
    for folder in finished.checkpoints_dir.iterdir():
        (folder / "state.json").unlink()
    with pytest.raises(JobError, match="damaged"):
        checkpoints.latest(finished.checkpoints_dir)


def test_only_two_checkpoints_are_kept(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(checkpoint_steps=1)
    run = new_run(tmp_path / "run", settings)
    Trainer(run, settings).train()
    names = sorted(path.name for path in run.checkpoints_dir.iterdir())
    assert names == ["step-000000005", "step-000000006"]


def test_a_checkpoint_of_another_shape_is_refused(
    finished: RunFolder, tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    found = checkpoints.latest(finished.checkpoints_dir)
    assert found is not None
    settings = tiny("ngf=8")
    trainer = Trainer(new_run(tmp_path / "other", settings), settings)
    with pytest.raises(JobError, match="does not fit network"):
        trainer.state.restore(found, 0)


def test_changed_data_is_refused_on_resume(
    tmp_path: Path, pairs: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    run = new_run(tmp_path / "run", settings)
    stop_at(Trainer(run, settings), 2)
    with Image.open(pairs / "HE" / "tile0.png") as image:
        picture = np.array(image)
    picture[:4] = 0
    Image.fromarray(picture).save(pairs / "HE" / "tile0.png")
    with pytest.raises(DataError, match="changed since"):
        Trainer(run, settings).train()


def test_a_pause_holds_the_run_and_lets_it_go_on(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)

    def report(done: int, total: int) -> None:
        if done == 2:
            run.set_wish("pause")

    def wake() -> None:
        deadline = time.monotonic() + 20
        while "paused" not in kinds(run) and time.monotonic() < deadline:
            time.sleep(0.05)
        states.append(run.state())
        run.set_wish("run")

    states: list[str] = []
    waker = threading.Thread(target=wake)
    waker.start()
    assert trainer.train(report) == "finished"
    waker.join()
    told = kinds(run)
    assert states == ["paused"]
    assert told.index("paused") < told.index("continued")
    between = told[told.index("paused") : told.index("continued")]
    assert "losses" not in between


def test_a_wish_to_stop_ends_the_run_with_a_checkpoint(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    run = new_run(tmp_path / "run", settings)
    run.set_wish("stop")
    assert Trainer(run, settings).train() == "stopped"
    assert kinds(run)[-2:] == ["checkpoint", "stopped"]


def test_settings_that_are_missing_are_named(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {"kind": "train", "settings": {}}, "train")
    with pytest.raises(JobError, match=r"settings\.method"):
        TrainingSettings.read(run.facts(), run.facts_file)


def test_the_learning_rate_falls_linearly(finished: RunFolder) -> None:
    factors = [e["lr_factor"] for e in finished.events() if e["event"] == "losses"]
    assert factors == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]


def test_a_run_can_start_from_the_weights_of_another(
    finished: RunFolder, tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny("lr=1e-9", start=finished.path, steps=1)
    run = new_run(tmp_path / "second", settings)
    Trainer(run, settings).train()
    first, second = (checkpoints.latest(r.checkpoints_dir) for r in (finished, run))
    assert first is not None
    assert second is not None
    for key in [key for key in first.tensors if key.endswith("weight_orig")]:
        torch.testing.assert_close(second.tensors[key], first.tensors[key], rtol=0, atol=1e-6)
    nothing = RunFolder.create(tmp_path / "empty", {}, "train")
    settings = tiny(start=nothing.path)
    with pytest.raises(JobError, match="holds no checkpoint to start from"):
        Trainer(new_run(tmp_path / "third", settings), settings).train()
