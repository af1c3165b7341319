"""Two processes are one with twice the batch, and neither outlives the other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from test_loop import kinds, new_run

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.methods.registry import methods
from napari_virtual_ihc.networks.dropout import Dropout, drawing_from
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.engine import average_buffers, average_gradients
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.sampling import Sampler
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.training.world import ALONE, Place, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_virtual_ihc.jobs.run_folder import RunFolder

SCRIPT = Path(__file__).with_name("process_script.py")
SMALL = {
    "cut": ("ngf=4", "ndf=4", "n_blocks=1", "nce_layers=[0,4,8]", "num_patches=16", "crop_size=36"),
    "pix2pix": ("ngf=4", "ndf=4", "norm=instance"),
    "cyclegan": ("ngf=4", "ndf=4", "n_blocks=1", "crop_size=36", "pool_size=3"),
}


@pytest.fixture
def small(pairs: Path) -> Callable[..., TrainingSettings]:
    def settings(method: str, *switches: str, **fields: Any) -> TrainingSettings:
        recipe = methods()[method].presets["smoke"].with_settings([*SMALL[method], *switches])
        basis = {
            "method": method,
            "preset": "smoke",
            "recipe": recipe.model_dump(mode="json"),
            "data": pairs,
            "mpp": 0.5,
            "marker": "Ki-67",
            "steps": 6,
            "device": "cpu",
            "precision": "32-true",
        }
        return TrainingSettings.model_validate(basis | fields)

    return settings


def together(run: RunFolder, settings: TrainingSettings, trouble: str = "none") -> tuple[int, Any]:
    """Train in two processes; return the exit code and what each said."""
    words = [str(run.path), settings.model_dump_json(), trouble]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launcher, "--nproc-per-node", "2", str(SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    print(done.stdout, done.stderr)
    told = [line.partition("told ")[2] for line in done.stdout.splitlines() if "told " in line]
    return done.returncode, sorted((json.loads(line) for line in told), key=lambda t: t["rank"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cut", "pix2pix"])
def test_two_processes_are_one_with_twice_the_batch(
    method: str, tmp_path: Path, small: Callable[..., TrainingSettings]
) -> None:
    alone = new_run(tmp_path / "alone", small(method, "batch_size=2"))
    Trainer(alone, small(method, "batch_size=2")).train()
    settings = small(method, "batch_size=1", checkpoint_steps=2)
    shared = new_run(tmp_path / "shared", settings)
    code, told = together(shared, settings)
    assert code == 0
    assert [t["outcome"] for t in told] == ["finished", "finished"]
    assert told[0]["sum"] == told[1]["sum"]
    expected, ours = alone.losses(), shared.losses()
    assert list(ours) == list(range(6))
    for step, losses in expected.items():
        assert ours[step] == pytest.approx(losses, rel=2e-5)
    assert kinds(shared).count("losses") == 6
    assert kinds(shared).count("started") == 1
    began = shared.last("started")
    assert began is not None
    assert began["processes"] == 2


@pytest.mark.slow
def test_a_shared_run_goes_on_bit_for_bit_each_process_with_its_own_memory(
    tmp_path: Path, small: Callable[..., TrainingSettings]
) -> None:
    settings = small("cyclegan", "ema_decay=0.9", steps=8)
    whole = new_run(tmp_path / "whole", settings)
    assert together(whole, settings)[0] == 0
    broken = new_run(tmp_path / "broken", settings)
    code, told = together(broken, settings, "stop")
    assert code == 0
    assert [t["outcome"] for t in told] == ["stopped", "stopped"]
    found = checkpoints.latest(broken.checkpoints_dir)
    assert found is not None
    assert found.step == 4
    memories = {key.partition("/")[0] for key in found.tensors if key.startswith("mem")}
    assert memories == {"mem", "mem.1"}
    assert not torch.equal(found.tensors["mem/fake_a"], found.tensors["mem.1/fake_a"])
    with pytest.raises(JobError, match="was begun with 2 processes"):
        Trainer(broken, settings).train()
    broken.process_file.unlink()
    assert together(broken, settings)[0] == 0
    assert broken.losses() == whole.losses()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("nan", "Loss 'GAN' is not a number at step 3, with "),
        ("raise", "Process 1 of this training failed: the picture fell off the shelf"),
        ("die", "Another process of this training ended."),
    ],
)
def test_trouble_in_one_process_ends_all_and_is_told(
    trouble: str, sentence: str, tmp_path: Path, small: Callable[..., TrainingSettings]
) -> None:
    settings = small("cut", "batch_size=1", checkpoint_steps=1)
    run = new_run(tmp_path / "run", settings)
    code, told = together(run, settings, trouble)
    assert code != 0
    assert told == []
    last = run.last_lifecycle_event()
    assert last is not None
    assert last["event"] == "failed"
    assert last["message"].startswith(sentence)
    if trouble == "nan":
        sampler = Trainer(run, settings, Place(1, 2)).sampler
        assert last["message"].partition(", with ")[2].startswith(", ".join(sampler.batch(3).names))
    found = checkpoints.latest(run.checkpoints_dir)
    assert found is not None
    assert found.step == 3


def test_shares_are_parts_of_the_whole_batch(pairs: Path) -> None:
    data = PairFolder.open(pairs, mpp=0.5, marker="Ki-67", crop=36)
    switches = ["augmentation.stain=0.3", "augmentation.noise=2", "augmentation.per_batch=true"]

    def sampler(batch_size: int, place: Place = ALONE) -> Sampler:
        recipe = methods()["cut"].presets["smoke"]
        settled = recipe.with_settings([f"batch_size={batch_size}", "crop_size=36", *switches])
        return Sampler(data, settled, 7, 100, place=place)

    whole = sampler(6).batch(11)
    shares = [sampler(2, Place(rank, 3)).batch(11) for rank in range(3)]
    assert torch.equal(torch.cat([share.he for share in shares]), whole.he)
    assert torch.equal(torch.cat([share.ihc for share in shares]), whole.ihc)
    assert tuple(name for share in shares for name in share.names) == whole.names
    expected = whole.per_picture(lambda n: torch.rand(n, 1, generator=whole.generator))
    drawn = [s.per_picture(lambda n, s=s: torch.rand(n, 1, generator=s.generator)) for s in shares]
    assert torch.equal(torch.cat(drawn), expected)


@pytest.mark.parametrize("versions", [1, 2])
def test_a_pictures_dropout_does_not_depend_on_who_shares_the_batch(versions: int) -> None:
    """Also where the network sees several versions of each picture at once."""
    network = torch.nn.Sequential(Dropout(0.5))

    def dropped(pictures: int, share: tuple[int, int, int] | None) -> Tensor:
        source = torch.Generator().manual_seed(4)
        with drawing_from(network, source, share):
            out: Tensor = network(torch.ones(versions * pictures, 2, 5, 5))
        return out.unflatten(0, (versions, pictures))

    network.weight = torch.nn.Parameter(torch.zeros(()))
    whole = dropped(6, None) if versions == 1 else dropped(6, (0, 6, 6))
    shares = [dropped(2, (first, 2, 6)) for first in (0, 2, 4)]
    assert torch.equal(torch.cat(shares, dim=1), whole)
    assert 0.3 < (whole == 0).float().mean() < 0.7


class Pretended(World):
    """Two processes, of which the other one's numbers are given."""

    def __init__(self, others: Tensor) -> None:
        super().__init__(Place(0, 2))
        self.others = others

    def mean(self, tensor: Tensor) -> None:
        tensor.add_(self.others).div_(2)


def test_gradients_are_averaged_also_where_one_process_has_none() -> None:
    shared, theirs, nobodys = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    shared.grad = torch.tensor([1.0, 2.0])
    other = torch.tensor([3.0, 4.0, 6.0, 8.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    average_gradients(Pretended(other), [shared, theirs, nobodys])
    assert shared.grad.tolist() == [2.0, 3.0]
    assert theirs.grad is not None
    assert theirs.grad.tolist() == [3.0, 4.0]
    assert nobodys.grad is None


def test_batch_norm_notes_the_mean_of_all_processes() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    average_buffers(Pretended(torch.tensor([2.0, 3.0])), [network])
    norm = network[1]
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert (norm.running_mean.item(), norm.running_var.item()) == (1.0, 2.0)


def test_one_process_alone_asks_nobody() -> None:
    with World(ALONE) as world:
        tensor = torch.tensor([1.0])
        world.mean(tensor)
        assert tensor.item() == 1.0
        assert world.any([True, False]) == [True, False]
        assert world.gather("a") == ["a"]
        assert world.from_first(lambda: 3) == 3
