"""What a model card says of a training, before and after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import lightning_fabric
import numpy as np
import torch

from napari_virtual_ihc import __version__
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.networks.norm_statistics import norm_layers
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import configure
from napari_virtual_ihc.networks.resnet import ResnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.training.settings import TrainingSettings

_RECIPE_SCHEMA = "virtual-ihc/recipe/1"


def plain_card(
    method: Method, arguments: Mapping[str, object], settings: TrainingSettings, mpp: float
) -> ModelCard:
    """Return the card of what ``method`` trains, as far as it is known before the end.

    Parameters
    ----------
    arguments
        Of the artifact's architecture, as a product uses it.
    mpp
        Scale of the pictures the method sees, µm/px.
    """
    name, _ = method.architecture()
    config = configure(name, arguments)
    generates = method.artifact == "generator"
    exact = generates and isinstance(config, ResnetConfig)
    normed = generates and bool(norm_layers(method.generator()))
    return ModelCard(
        name=model_name(method.name, settings.marker),
        kind=method.artifact,
        method=method.title,
        architecture=name,
        arguments=dict(arguments),
        marker=settings.marker,
        tissue=settings.tissue,
        mpp_in=mpp,
        mpp_out=mpp,
        tiling=("exact" if exact else "blended") if generates else "none",
        dependency_radius=dependency_radius(config) if isinstance(config, ResnetConfig) else None,
        default_statistics="slide" if normed else "none",
        data_regime=regime(method, settings),
        licence=settings.licence,
    )


def regime(method: Method, settings: TrainingSettings) -> str:
    """Return ``unpaired``, ``paired`` (neighbouring or same sections) or ``registered``."""
    if not method.recipe.aligned:
        return "unpaired"
    return "registered" if settings.registered else "paired"


def described(method: Method, settings: TrainingSettings, ran: Mapping[str, Any]) -> dict[str, Any]:
    """Return recipe, preset, seed, versions and how it ran as JSON values.

    Parameters
    ----------
    ran
        Device, precision, processes, and which weights were kept.
    """
    return {
        "schema": _RECIPE_SCHEMA,
        "method": method.name,
        "written_from": method.fidelity,
        "preset": settings.preset,
        "steps": settings.steps,
        "seed": settings.seed,
        "version": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "lightning_fabric": lightning_fabric.__version__,
        **ran,
        "fields": method.recipe.model_dump(mode="json"),
    }


def model_name(method: str, marker: str) -> str:
    """Return a model name of letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{method}-{marker}")[:64]
