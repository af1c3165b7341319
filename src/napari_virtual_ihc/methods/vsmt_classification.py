"""VSMT's classification task: HER2 classes, taught by an ImageNet network that learns along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.distillation import soft_target_loss
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.methods.vsmt_auxiliaries import TaskMethod, TaskRecipe
from napari_virtual_ihc.models.resnet18 import load_resnet18
from napari_virtual_ihc.networks.auxiliary import Classifier, ClassifierConfig
from napari_virtual_ihc.networks.dropout import drawing_from
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_area, dab_density

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Batch, Engine

HER2_CLASSES = {"0": 0, "1+": 1, "2+": 2, "3+": 3}
_QUARTILES = (0.25, 0.5, 0.75)
_REMEMBERED = 1000
_SHOWN = 3


class ClassificationRecipe(TaskRecipe):
    """Switches of the classification; the defaults are the published ones."""

    batch_size: int = Field(default=2, ge=1, description="Crops per step.")
    crop_size: int = Field(default=1024, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    classes: Literal["names", "dab_quartiles"] = Field(
        default="names",
        description="HER2 classes from file names as in BCI (0, 1+, 2+, 3+ after the last "
        "underscore), or, where there are none, quarters of the pictures by DAB-positive area.",
    )
    teacher: Path | None = Field(
        default=None,
        description="ResNet-18 trained on ImageNet, a model folder or a safetensors file in the "
        "layout of torchvision; none trains by cross-entropy alone.",
    )
    teacher_lr: float = Field(
        default=0.2, gt=0, description="Learning rate of the teacher, share of the student's."
    )
    distillation: float = Field(
        default=0.99, ge=0, le=1, description="Share of the teacher's answers in the loss."
    )
    temperature: float = Field(default=4.0, gt=0, description="Temperature T of soft answers.")


class VsmtClassification(TaskMethod[ClassificationRecipe]):
    """Cls minimises .01 · CE + .99 · T² · KL(teacher / T ‖ student / T), the teacher its own CE."""

    name: ClassVar[str] = "vsmt-classification"
    title: ClassVar[str] = "VSMT (CVPR 2026), classification task"
    recipe_type: ClassVar[type[Recipe]] = ClassificationRecipe
    letter: ClassVar[str] = "Cls"
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": ClassificationRecipe(),
        "demo": ClassificationRecipe(
            n_epochs=4,
            n_epochs_decay=2,
            batch_size=4,
            crop_size=128,
            ngf=16,
            dropout=0.1,
            init_gain=1.0,
            lr=1e-3,
            classes="dab_quartiles",
            augmentation=Augmentation(turn=True),
        ),
        "smoke": ClassificationRecipe(
            n_epochs=30,
            n_epochs_decay=10,
            crop_size=64,
            ngf=8,
            init_gain=1.0,
            classes="dab_quartiles",
            augmentation=Augmentation(turn=True),
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "w/o dropout": ("dropout=0",),
        "w/o distillation": ("distillation=0",),
    }
    protocols: ClassVar[Mapping[str, str]] = {
        "class_accuracy": "share of pictures whose class is told, classes as the recipe says, "
        "pictures of mean brightness 1/2, central crops of the training's size",
        "class_cross_entropy": "natural logarithm, same pictures",
    }

    def __init__(self, recipe: ClassificationRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        if recipe.classes == "dab_quartiles":
            self.notes += (
                "Its classes are no HER2 classes but quarters of the training pictures by "
                f"DAB-positive area ({DEFAULT_DAB.name}).",
            )
        if recipe.teacher is None:
            self.notes += ("Trained by cross-entropy alone, without the ImageNet teacher.",)

    @property
    def config(self) -> ClassifierConfig:
        """Shape of Cls."""
        recipe = self.recipe
        return ClassifierConfig(recipe.ngf, recipe.n_blocks, recipe.dropout, len(HER2_CLASSES))

    def _build_networks(self) -> dict[str, nn.Module]:
        student = Classifier(self.config)
        initialise(student, self.recipe.init, self.recipe.init_gain)
        if self.recipe.teacher is None:
            return {"Cls": student}
        teacher = load_resnet18(self.recipe.teacher, len(HER2_CLASSES))
        return {"Cls": student, "Cls_T": teacher}

    def _build_optimisers(self) -> dict[str, Optimizer]:
        rates = {"Cls": self.recipe.lr, "Cls_T": self.recipe.lr * self.recipe.teacher_lr}
        return {
            letter: self._adam(network.parameters(), rates[letter])
            for letter, network in self.networks.items()
        }

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of Cls's architecture."""
        return "classifier", describe(self.config)

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of the teacher, where there is one, and one of Cls."""
        self._remember(batch)
        pictures, classes = self.pictures(batch), self.classes_of(batch)
        student = self.networks["Cls"]
        with drawing_from(student, batch.generator, batch.share):
            answers = student(pictures)
        loss = F.cross_entropy(answers, classes)
        losses = {"CE": loss}
        if "Cls_T" in self.networks:
            taught = self.networks["Cls_T"](pictures)
            losses["CE_T"] = F.cross_entropy(taught, classes)
            self._learn("Cls_T", losses["CE_T"], engine)
            losses["KD"] = soft_target_loss(answers, taught, self.recipe.temperature)
            share = self.recipe.distillation
            loss = (1 - share) * losses["CE"] + share * losses["KD"]
        self._learn("Cls", loss, engine)
        return {name: value.detach() for name, value in (losses | {"Cls": loss}).items()}

    def _learn(self, letter: str, loss: Tensor, engine: Engine) -> None:
        optimiser = self.optimisers[letter]
        optimiser.zero_grad(set_to_none=True)
        engine.backward(loss)
        engine.step(optimiser)

    def classes_of(self, batch: Batch) -> Tensor:
        """Return the class of each picture, (B,), 0 to 3.

        Raises
        ------
        DataError
            If classes come from names and a name has none.
        """
        if self.recipe.classes == "names":
            own = batch.names[:: len(batch.names) // len(batch.he)]
            return torch.tensor([her2_class(name) for name in own], device=batch.he.device)
        areas = _dab_areas(batch.ihc)
        seen = self.memory.get("areas", areas)
        bounds = torch.quantile(seen, seen.new_tensor(_QUARTILES))
        return (areas.unsqueeze(1) > bounds).sum(dim=1)

    def _remember(self, batch: Batch) -> None:
        if self.recipe.classes == "dab_quartiles":
            areas = _dab_areas(batch.ihc)
            seen = self.memory.get("areas", areas[:0])
            self.memory["areas"] = torch.cat([seen, areas])[-_REMEMBERED:]

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return accuracy and cross-entropy of a held-out batch."""
        answers, classes = network(self.pictures(batch)), self.classes_of(batch)
        right = (answers.argmax(dim=1) == classes).float().mean()
        return {
            "class_accuracy": float(right),
            "class_cross_entropy": float(F.cross_entropy(answers, classes)),
        }

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return pictures and, right of each, a bar per class; the true class's bar is green."""
        pictures = self.pictures(batch)[:_SHOWN]
        chances = network(pictures).softmax(dim=1)
        truth = self.classes_of(batch)[:_SHOWN]
        bars = [
            _bars(chance, int(own), pictures.shape[2])
            for chance, own in zip(chances, truth, strict=True)
        ]
        return torch.cat(list(torch.cat([pictures, torch.stack(bars)], dim=3)), dim=1)


def her2_class(name: str) -> int:
    """Return the HER2 class in a file name of BCI, ``<number>_<split>_<class>.png``.

    Raises
    ------
    DataError
        If it has none.
    """
    told = Path(name).stem.rsplit("_", 1)[-1]
    if told not in HER2_CLASSES:
        raise DataError(
            f"{name} carries no HER2 class ({', '.join(HER2_CLASSES)}) after its last underscore; "
            "set classes=dab_quartiles to learn without."
        )
    return HER2_CLASSES[told]


def _dab_areas(ihc: Tensor) -> Tensor:
    """Return the DAB-positive share of each picture, (B,)."""
    rgb = ((ihc.detach().clamp(-1, 1) + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1)
    areas = [dab_area(dab_density(picture)) for picture in rgb.cpu().numpy()]
    return torch.tensor(areas, device=ihc.device, dtype=torch.float32)


def _bars(chances: Tensor, own: int, side: int) -> Tensor:
    """Return (3, side, side): one bar per class as long as its chance, black on white."""
    picture = chances.new_ones(3, side, side)
    height = side // len(chances)
    for number, chance in enumerate(chances.tolist()):
        rows = slice(number * height + height // 4, (number + 1) * height - height // 4)
        length = max(1, round(chance * side))
        picture[:, rows, :length] = -1.0
        if number == own:
            picture[1, rows, :length] = 0.2
    return picture
