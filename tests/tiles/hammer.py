"""What a child process does to a shared cache; ends with status 1 on one wrong byte."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from napari_virtual_ihc.tiles.disk import DiskTiles
from napari_virtual_ihc.tiles.tile_file import decode_tile

SIDE = 64


def key_of(n: int) -> str:
    return f"{n * 7919:032x}"


def tile_of(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(n).integers(0, 256, (SIDE, SIDE, 4), np.uint8)


def hammer(folder: str, seed: int, rounds: int, quota: int) -> int:
    disk = DiskTiles(Path(folder), quota)
    rng, wrong = np.random.default_rng(seed), 0
    for n in rng.integers(0, 30, rounds).tolist():
        if rng.random() < 0.1:
            wound(disk.folder, key_of(n), rng)
        pixels = disk.read(key_of(n))
        if pixels is None:
            disk.write(key_of(n), tile_of(n))
        else:
            wrong += not np.array_equal(pixels, tile_of(n))
    return wrong + (disk.notice is not None)


def wound(folder: Path, key: str, rng: np.random.Generator) -> None:
    path = folder / key[:2] / f"{key[2:]}.tile"
    try:
        with path.open("r+b") as file:
            if rng.random() < 0.5:
                file.truncate(int(rng.integers(0, 3000)))
            else:
                file.seek(int(rng.integers(0, 3000)))
                file.write(bytes([int(rng.integers(0, 256))]))
    except OSError:
        return


def forever(folder: str) -> None:
    disk, n = DiskTiles(Path(folder), 10**9), 0
    while True:
        disk.write(key_of(n % 30), tile_of(n % 30))
        n += 1


def wrong_files(folder: Path) -> list[str]:
    files = list(folder.glob("??/*.tile"))
    return [
        path.name
        for path in files
        if decode_tile(path.parent.name + path.stem, path.read_bytes()) is None
    ]


if __name__ == "__main__":
    if sys.argv[1] == "forever":
        forever(sys.argv[2])
    folder, seed, rounds, quota = sys.argv[2:]
    sys.exit(hammer(folder, int(seed), int(rounds), int(quota)) > 0)
