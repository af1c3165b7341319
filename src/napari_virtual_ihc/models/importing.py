"""A foreign checkpoint becomes a model folder: read by a bounded child, judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError
from safetensors.torch import load_file

from napari_virtual_ihc.errors import CheckpointError, ModelError, UsageError
from napari_virtual_ihc.files import sha256_file, write_json
from napari_virtual_ihc.models.card import UNKNOWN, ModelCard, first_problem
from napari_virtual_ihc.models.checkpoint_keys import (
    drop_instance_norm_leftovers,
    old_style_spectral,
    strip_prefixes,
)
from napari_virtual_ihc.models.folder import (
    require_finite,
    require_fitting,
    require_free,
    save_model,
)
from napari_virtual_ihc.models.recognise import Recognised, recognise
from napari_virtual_ihc.models.test_mode import as_published_codes_test
from napari_virtual_ihc.models.train_options import contradictions, read_options
from napari_virtual_ihc.networks.folding import fold_spectral
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import build_empty, describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from torch import Tensor

SIDECAR_SCHEMA = "virtual-ihc/inferred/1"
COMMAND = "models import"
_MAX_FILE_BYTES = 4 << 30
_SECONDS = 120
_BYTES_PER_SECOND = 10 << 20


@dataclass(frozen=True)
class ImportFacts:
    """What a checkpoint cannot say of itself.

    Attributes
    ----------
    mpp
        µm/px of the H&E it was trained on; ``mpp_out`` is the same where None.
    reference_test_mode
        See `ModelCard`.
    """

    name: str
    mpp: float
    marker: str
    tissue: str = UNKNOWN
    licence: str = UNKNOWN
    mpp_out: float | None = None
    reference_test_mode: bool = False


def import_checkpoint(path: Path, facts: ImportFacts, folder: Path) -> Path:
    """Turn the PyTorch file ``path`` into the model folder ``folder``, and return it.

    The file is read with ``weights_only=True`` in a child process of bounded memory and time; its
    architecture is inferred from the keys, spectral normalisation is folded with the stored
    vectors, and contradictions with an options file beside it become notes of the card.

    Raises
    ------
    CheckpointError
        If the file is not a generator checkpoint, is damaged, or would run code.
    ModelError
        If the weights are not finite or the folder exists or cannot be written.
    UsageError
        If a fact is impossible, or reference_test_mode would change nothing.
    """
    draft = _draft(facts)
    require_free(folder)
    state, notes = read_checkpoint(path)
    digest = sha256_file(path)
    try:
        found = recognise({key: tuple(value.shape) for key, value in state.items()})
    except ModelError as error:
        raise CheckpointError(f"{path} cannot be imported: {error}.") from error
    options = read_options(path)
    if facts.reference_test_mode:
        found = as_published_codes_test(found, options)
    arguments = describe(found.config)
    try:
        require_fitting(found.architecture, arguments, state, where=str(path))
    except ModelError as error:
        raise CheckpointError(str(error)) from error
    require_finite(state, where=str(path))
    notes += [*found.notes, *contradictions(options, found.config, path)]
    plain, weights = _without_spectral(found, state)
    card = _completed(draft, plain, digest, notes)
    saved = save_model(folder, card, weights, command=COMMAND)
    _write_sidecar(path, found, digest)
    return saved


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return the generator's tensors under reference key names, and notes on what was left out.

    Raises
    ------
    CheckpointError
        If the file cannot be read safely.
    """
    state, notes = _unpack(path)
    state, dropped = strip_prefixes(state)
    if dropped:
        notes.append(f"{len(dropped)} tensors of other networks in the file were left out.")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    return old_style_spectral(drop_instance_norm_leftovers(state, shapes)), notes


def _unpack(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file.")
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise CheckpointError(f"{path} is {size} bytes; checkpoints above 4 GiB are not imported.")
    with tempfile.TemporaryDirectory(prefix="virtual-ihc-import-") as temporary:
        folder = Path(temporary)
        _run_child(path.resolve(), folder, _SECONDS + size / _BYTES_PER_SECOND)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if "refused" in report:
            raise CheckpointError(f"{path} {report['refused']}.")
        state = cast("dict[str, Tensor]", load_file(folder / "tensors.safetensors"))
    limit = [] if report["limited"] else ["Imported without a memory limit: this system has none."]
    return state, limit


def _run_child(path: Path, folder: Path, seconds: float) -> None:
    command = [sys.executable, "-m", "napari_virtual_ihc.models._unpack", str(path), str(folder)]
    quiet = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONSAFEPATH": "1"}
    try:
        child = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(f"{path} was not read within {seconds:.0f} s.") from error
    if child.returncode != 0 or not (folder / "report.json").is_file():
        killed = "" if child.stderr.strip() else f" (reading ended with {child.returncode})"
        raise CheckpointError(f"{path} is damaged or not a PyTorch checkpoint{killed}.")


def _without_spectral(
    found: Recognised, state: dict[str, Tensor]
) -> tuple[Recognised, dict[str, Tensor]]:
    if not (isinstance(found.config, ResnetConfig) and found.config.spectral):
        return found, state
    network = cast("ResnetGenerator", build_empty(found.architecture, describe(found.config)))
    network.load_state_dict(state)
    plain = replace(found, config=replace(found.config, spectral=False))
    return plain, fold_spectral(network)


def _draft(facts: ImportFacts) -> ModelCard:
    """Return the card of what the user stated, its network still to be filled in."""
    try:
        return ModelCard(
            name=facts.name,
            architecture=UNKNOWN,
            arguments={},
            marker=facts.marker,
            tissue=facts.tissue,
            mpp_in=facts.mpp,
            mpp_out=facts.mpp if facts.mpp_out is None else facts.mpp_out,
            tiling="blended",
            licence=facts.licence,
            reference_test_mode=facts.reference_test_mode,
        )
    except ValidationError as error:
        raise UsageError(f"The model cannot be described: {first_problem(error)}") from error


def _completed(draft: ModelCard, found: Recognised, digest: str, notes: list[str]) -> ModelCard:
    radius = dependency_radius(found.config) if isinstance(found.config, ResnetConfig) else None
    exact = radius is not None and not draft.reference_test_mode
    return ModelCard.model_validate(
        draft.model_dump()
        | {
            "architecture": found.architecture,
            "arguments": describe(found.config),
            "tiling": "exact" if exact else "blended",
            "dependency_radius": radius,
            "default_statistics": "slide" if found.config.norm == "instance" else "none",
            "source_sha256": digest,
            "notes": tuple(notes),
        }
    )


def _write_sidecar(path: Path, found: Recognised, digest: str) -> None:
    sidecar = path.with_name(f"{path.stem}.nvihc.json")
    if os.access(path.parent, os.W_OK):
        inferred = {"architecture": found.architecture, "arguments": describe(found.config)}
        write_json(sidecar, stamp(SIDECAR_SCHEMA, COMMAND) | inferred | {"sha256": digest})
