from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.files import atomic_write_bytes, hash_of, read_json, sha256_file, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.settings import Settings, load_settings, save_settings, settings_file

if TYPE_CHECKING:
    from pathlib import Path


def test_json_carries_its_stamp_and_comes_back(tmp_path: Path) -> None:
    content = stamp("virtual-ihc/test/1", "test") | {"µm": 0.5}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json", schema="virtual-ihc/test/1") == content
    assert {"schema", "command", "version"} <= content.keys()


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", stamp("virtual-ihc/test/9", "test"))
    with pytest.raises(VirtualIhcError, match=r"a\.json.*test/9.*test/1"):
        read_json(tmp_path / "a.json", schema="virtual-ihc/test/1")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\xff"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(VirtualIhcError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_a_full_disk_keeps_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    atomic_write_bytes(path, b"before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write_bytes(path, b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_hashes_depend_on_order_type_and_boundaries(tmp_path: Path) -> None:
    names = {hash_of("a", "b"), hash_of("b", "a"), hash_of("ab"), hash_of(b"ab"), hash_of(1, "1")}
    assert len(names) == 5
    assert hash_of({"a": 1, "b": (2,)}) == hash_of({"b": [2], "a": 1})
    (tmp_path / "f").write_bytes(b"")
    assert sha256_file(tmp_path / "f").startswith("e3b0c442")


def test_settings_are_saved_and_read(private_home: Path) -> None:
    assert load_settings().cache_dir == private_home / "cache"
    save_settings(Settings(cache_disk_bytes=7))
    assert load_settings().cache_disk_bytes == 7


def test_a_wrong_setting_is_named() -> None:
    save_settings(Settings())
    content = json.loads(settings_file().read_text())
    settings_file().write_text(json.dumps(content | {"cache_disk_bytes": -1}))
    with pytest.raises(VirtualIhcError, match="cache_disk_bytes"):
        load_settings()
