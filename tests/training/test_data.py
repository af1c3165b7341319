from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from training_pictures import write_pair

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.training import look_store
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.pictures import RecentPictures, decode

if TYPE_CHECKING:
    from pathlib import Path


def opened(root: Path, **more: Any) -> PairFolder:
    return PairFolder.open(root, **({"mpp": 0.5, "marker": "Ki-67", "crop": 32} | more))


def settle(root: Path) -> None:
    """Make all files look as if they were written long ago."""
    for file in root.rglob("*.*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))


def spoil(file: Path) -> None:
    with Image.open(file) as image:
        picture = np.array(image)
    picture[0, 0] = 0
    Image.fromarray(picture).save(file)


def test_fingerprint_names_splits_names_and_pixels(pairs: Path, tmp_path: Path) -> None:
    before = opened(pairs)
    assert opened(pairs).fingerprint == before.fingerprint
    with Image.open(pairs / "HE" / "tile0.png") as image:
        image.save(pairs / "HE" / "tile0.tif")
    (pairs / "HE" / "tile0.png").unlink()
    assert opened(pairs).fingerprint == before.fingerprint
    assert opened(pairs, mpp=0.4).fingerprint != before.fingerprint
    spoil(pairs / "IHC" / "tile0.png")
    assert opened(pairs).fingerprint != before.fingerprint


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def watched(path: Path, content: bytes | None = None) -> Any:
        names.append(path.name)
        return decode(path, content)

    monkeypatch.setattr(look_store, "decode", watched)
    return names


def test_pictures_are_decoded_for_the_check_once(pairs: Path, decoded: list[str]) -> None:
    settle(pairs)
    first = opened(pairs)
    assert len(decoded) == 10
    again = opened(pairs)
    assert len(decoded) == 10
    assert (again.fingerprint, again.findings) == (first.fingerprint, first.findings)
    spoil(pairs / "HE" / "tile3.png")
    assert opened(pairs).fingerprint != first.fingerprint
    assert decoded[10:] == ["tile3.png"]
    opened(pairs, mpp=0.25)
    assert len(decoded) == 21


def test_moved_pictures_are_read_but_not_decoded(pairs: Path, decoded: list[str]) -> None:
    settle(pairs)
    opened(pairs)
    for side in ("HE", "IHC"):
        (pairs / side / "tile3.png").rename(pairs / side / "other.png")
    assert "other" in {pair.name for pair in opened(pairs).train}
    assert len(decoded) == 10


def test_a_picture_written_just_now_is_read_again(pairs: Path) -> None:
    file = pairs / "HE" / "tile1.png"
    first = opened(pairs)
    stat, content = file.stat(), file.read_bytes()
    other = content.replace(b"IDAT", b"IDAX")
    file.write_bytes(other)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert opened(pairs).fingerprint != first.fingerprint


def test_what_is_kept_of_pictures_names_no_file(pairs: Path) -> None:
    opened(pairs)
    (file,) = (load_settings().cache_dir / "pictures").iterdir()
    text = file.read_text()
    assert "tile" not in text
    assert str(pairs) not in text
    assert json.loads(text)["schema"] == "virtual-ihc/picture-looks/1"


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"schema": "virtual-ihc/picture-looks/1", "looks": {"a": 1}}']
)
def test_a_damaged_cache_is_looked_past(pairs: Path, content: str) -> None:
    first = opened(pairs)
    (file,) = (load_settings().cache_dir / "pictures").iterdir()
    file.write_text(content)
    assert opened(pairs).fingerprint == first.fingerprint


def test_progress_is_told(pairs: Path) -> None:
    told: list[tuple[int, int]] = []
    opened(pairs, report=lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]


def test_an_interrupted_check_keeps_what_it_saw(pairs: Path, decoded: list[str]) -> None:
    settle(pairs)

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(pairs, report=stop)
    seen = len(decoded)
    assert seen >= 4
    opened(pairs)
    assert len(decoded) == 10


def test_recent_pictures_are_bounded_in_bytes() -> None:
    recent = RecentPictures(3000)
    pictures = {key: np.full((10, 100), key, np.uint8) for key in range(4)}
    for key in (0, 1, 2):
        recent.keep(key, pictures[key])
    assert recent.get(0) is pictures[0]
    recent.keep(3, pictures[3])
    assert recent.get(1) is None
    assert [recent.get(key) is pictures[key] for key in (0, 2, 3)] == [True] * 3
    recent.keep(9, np.zeros(9000, np.uint8))
    assert recent.get(9) is not None
    assert recent.get(3) is None


def test_the_command_prints_what_a_training_would_find(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for slide in range(4):
        for tile in range(2):
            write_pair(tmp_path / "set", f"s{slide}_{tile}_0", 10 * slide + tile, ("HE", "Ki67"))
    (tmp_path / "set" / "HE" / "s1_0_0.png").unlink()
    words = ["data", str(tmp_path / "set"), "--mpp", "0.5", "--marker", "Ki-67"]
    assert run([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "virtual-ihc/data/1"
    assert said["layout"] == "two folders"
    assert sum(said["pairs"].values()) == 7
    assert said["slides"] == {"train": 3, "validation": 1}
    assert said["finding_counts"] == {"unpaired": 1}
    assert said["findings"][0]["name"] == "s1_0_0"
    assert run(words) == 0
    printed = capsys.readouterr()
    assert "unpaired: " in printed.err
    assert "(left out)" in printed.err
    assert run(["data", str(tmp_path), "--mpp", "0.5", "--marker", "x", "--crop", "900"]) == 1
    assert "smaller than a crop of 900 px" not in capsys.readouterr().out
