"""Validation sees what a slide would show: pixel for pixel the translator's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from test_loop import new_run
from training_pictures import tissue

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.networks.resnet import ResnetGenerator
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.product import Product, inference_state
from napari_virtual_ihc.training.sampling import to_tensor
from napari_virtual_ihc.training.validation import HeldOut, Validation
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.training.settings import TrainingSettings


def translated(translator: Translator) -> NDArray[np.uint8]:
    pixels = np.zeros((translator.grid.height, translator.grid.width, 3), np.uint8)
    for block in translator.plan.all_blocks():
        for address, tile in translator.compute(translator.load(block)).items():
            assert isinstance(tile, np.ndarray)
            y, x, h, w = translator.plan.box(address)
            pixels[y : y + h, x : x + w] = tile[..., :3]
    return pixels


@pytest.mark.parametrize("switch", ["spectral_norm=true", "spectral_norm=false"])
def test_validation_gives_the_pixels_of_the_translator(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], switch: str
) -> None:
    """On a picture of 1.4 tiles, whose sides are no multiples of anything."""
    settings = tiny(switch, "init_gain=1", "ema_decay=0.9", steps=3)
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    trainer.train()
    validator = trainer.keeper._validator
    assert isinstance(validator, Validation)
    product = validator.product(trainer.state.artifact())
    he = tissue(9, 718)[0][:, :523]
    Image.fromarray(he).save(tmp_path / "picture.png")
    translator = Translator(
        load_model(run.model_dir),
        open_slide(str(tmp_path / "picture.png"), 0.5),
        device="cpu",
        backend="torch",
        precision="fp32",
        cache=tmp_path / "cache",
        measured=product.statistics,
    )
    ours, theirs = product(he), translated(translator)
    assert theirs.std() > 5
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_statistics_are_those_of_all_held_out_pictures_together(
    tmp_path: Path, pairs: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    """The pictures of one slide of two are held out."""
    for side in ("HE", "IHC"):
        for number, file in enumerate(sorted((pairs / side).iterdir())):
            file.rename(file.with_name(f"M{number // 3}_{number}_0.png"))
    settings = tiny()
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    validator = trainer.keeper._validator
    assert isinstance(validator, Validation)
    product = validator.product(trainer.state.artifact())
    he = [to_tensor(validator.held_out.read(pair)[0]) for pair in validator.held_out.pairs]
    assert product.statistics.windows == len(he) > 1
    network = product._model.network()
    assert isinstance(network, ResnetGenerator)
    with torch.no_grad():
        maps = network.model[:2](torch.stack(he))[:, :, 12:-12, 12:-12]
    var, mean = torch.var_mean(maps, dim=(0, 2, 3), correction=0)
    found = product.statistics.layers["model.2"]
    np.testing.assert_allclose(found[0], mean, atol=1e-5)
    np.testing.assert_allclose(found[1], var, rtol=1e-4)


def test_a_picture_under_the_networks_step_is_refused(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    validator = trainer.keeper._validator
    assert isinstance(validator, Validation)
    product = validator.product(trainer.state.artifact())
    card = product._model.card
    _, state = inference_state(trainer.method, trainer.state.artifact())
    with pytest.raises(DataError, match="under 4 px"):
        Product(card, state, [np.zeros((3, 3, 3), np.uint8)], "cpu")


def test_figures_on_training_data_say_so(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny()
    data = Trainer(new_run(tmp_path / "run", settings), settings).data
    assert HeldOut.of(data, None, 0.5, 64).where == "held-out pairs"
    nothing_held = type(data)(**{**vars(data), "validation": ()})
    assert HeldOut.of(nothing_held, None, 0.5, 64).where == "a training pair (none is held out)"
