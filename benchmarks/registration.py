"""How well and how surely sections are registered; prints one JSON object.

``--landmarks FOLDER`` measures every ``He``/``HE`` picture of it against the others that have
landmarks, as they are and turned, mirrored and halved, each registered twice; phantom pairs (the
next section, its field known) are turned and mirrored at random; impossible pairs are blank slides
and other phantoms.
Phantoms are drawn at 1 µm/px, 2 mm a side, and registered at 4 µm/px. Each pair is told on stderr.

Run as ``python benchmarks/registration.py --json`` from a checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_virtual_ihc.errors import MissingScaleError, RegistrationError
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.landmark_files import read_landmarks
from napari_virtual_ihc.registration.landmarks import landmark_error
from napari_virtual_ihc.registration.register import register
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.phantom import Phantom

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

VARIANTS = ("same", "37", "90", "180", "mirrored", "halved")
_SCALES = {"hires1200": 2.6, "lung": 3.48, "kidney": 5.0}
_SIDE_PX, _MPP = 2048, 1.0


def varied(
    pixels: NDArray[np.uint8], points: NDArray[np.float64], variant: str
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a picture turned, mirrored or halved, and its landmarks (y, x) in px."""
    if variant == "same":
        return pixels, points
    if variant == "mirrored":
        flipped = points * [1, -1] + [0, pixels.shape[1]]
        return np.ascontiguousarray(pixels[:, ::-1]), flipped
    if variant == "halved":
        h, w = (side // 2 for side in pixels.shape[:2])
        small = np.asarray(Image.fromarray(pixels).resize((w, h), Image.Resampling.BOX))
        return small, points * [h / pixels.shape[0], w / pixels.shape[1]]
    return turned(pixels, points, float(variant))


def turned(
    pixels: NDArray[np.uint8], points: NDArray[np.float64], degrees: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    angle = np.deg2rad(degrees)
    shape = np.array(pixels.shape[:2], np.float64)
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    size = np.ceil([shape[0] * cos + shape[1] * sin, shape[0] * sin + shape[1] * cos])
    back = affine_map.similarity(-degrees, False, 1.0, size / 2, shape / 2)
    corner = back[:, :2] @ [0.5, 0.5] + back[:, 2] - 0.5
    bands = [
        ndimage.affine_transform(
            pixels[..., band], back[:, :2], corner, tuple(size.astype(int)), order=1, cval=245
        )
        for band in range(3)
    ]
    return np.stack(bands, axis=-1), affine_map.apply(affine_map.inverse(back), points)


def landmark_pairs(folder: Path) -> list[tuple[Path, Path]]:
    with_points = {path.name[: -len("_landmarks.csv")] for path in folder.rglob("*_landmarks.csv")}
    pictures = [path for path in sorted(folder.rglob("*.jpg")) if path.stem in with_points]
    firsts = [path for path in pictures if path.stem.lower().removeprefix("hires1200_") == "he"]
    return [
        (first, other)
        for first in firsts
        for other in pictures
        if other.parent == first.parent and other not in firsts
        and other.stem.startswith("hires1200_") == first.stem.startswith("hires1200_")
    ]  # fmt: skip


def scale_of(path: Path) -> float:
    return next(mpp for name, mpp in _SCALES.items() if name in f"{path.parent.name}/{path.stem}")


def points_of(path: Path) -> NDArray[np.float64]:
    return read_landmarks(path.with_name(f"{path.stem}_landmarks.csv"))


def measure(fixed: Path, moving: Path, variant: str, scratch: Path) -> dict[str, Any]:
    pixels, points = varied(np.asarray(Image.open(moving)), points_of(moving), variant)
    picture = scratch / f"{moving.stem}.png"
    Image.fromarray(pixels).save(picture, compress_level=1)
    mpp = scale_of(fixed)
    other = mpp * (2 if variant == "halved" else 1)
    facts: dict[str, Any] = {"pair": f"{fixed.stem}-{moving.stem}", "variant": variant}
    try:
        (found, seconds), (again, _) = (timed(fixed, mpp, picture, other) for _ in range(2))
    except RegistrationError as refused:
        return facts | {"refused": str(refused)}
    error = landmark_error(found, points_of(fixed), points)
    best = oracle(fixed, points)
    return facts | {
        "rtre_median": round(error.rtre_median, 5), "rtre_p90": round(error.rtre_p90, 5),
        "oracle": round(best / np.hypot(*pixels.shape[:2]), 5),
        "improved": error.improved, "stage": found.stage, "agreeing": found.agreeing,
        "mirrored": found.mirrored, "seconds": round(seconds, 1),
        "same_twice": same(found.mapping, again.mapping),
    }  # fmt: skip


def timed(fixed: Path, mpp: float, moving: Path, other: float) -> tuple[Registration, float]:
    started = time.perf_counter()
    found = register(open_slide(fixed, mpp), open_slide(moving, other))
    return found, time.perf_counter() - started


def same(one: Mapping, two: Mapping) -> bool:
    """Return whether two maps are the same to the last bit."""
    fields = [np.zeros(0) if m.field is None else m.field.values for m in (one, two)]
    return bool(np.array_equal(one.affine, two.affine) and np.array_equal(*fields))


def oracle(fixed: Path, points: NDArray[np.float64]) -> float:
    """Return the median distance in px of the best affine fit to the landmarks themselves."""
    own = points_of(fixed)
    count = min(len(own), len(points))
    fit = affine_map.fit(own[:count], points[:count])
    away = np.linalg.norm(affine_map.apply(fit, own[:count]) - points[:count], axis=1)
    return float(np.median(away))


def refusals(scratch: Path) -> dict[str, str]:
    """Return the sentence told for slides in the wrong order, and for one without a scale."""
    phantom = Phantom(1000, _SIDE_PX, _SIDE_PX, _MPP)
    he, ihc = picture_of(phantom.he(), scratch), scratch / "ihc.png"
    Image.fromarray(pixels_of(phantom.ihc("next"))).save(ihc, compress_level=1)
    told = {}
    for name, fixed, moving, mpp in (("swapped", ihc, he, 4.0), ("no_scale", he, ihc, None)):
        try:
            register(open_slide(fixed, 4.0), open_slide(moving, mpp))
            told[name] = ""
        except (RegistrationError, MissingScaleError) as refused:
            told[name] = str(refused)
    return told


def phantom_pair(seed: int, scratch: Path) -> dict[str, Any]:
    """Register a phantom's next section, turned or mirrored by the seed's lot."""
    phantom, draw = Phantom(seed, _SIDE_PX, _SIDE_PX, _MPP), np.random.default_rng(seed)
    variant = str(draw.choice(["same", "37", "90", "180", "mirrored"]))
    grid = np.stack(np.meshgrid(*[np.linspace(200, 1850, 12)] * 2, indexing="ij"), axis=-1)
    grid = grid.reshape(-1, 2)
    true = grid + np.stack(phantom.displacement(grid[:, 0], grid[:, 1]), axis=-1)
    fixed = picture_of(phantom.he(), scratch)
    pixels, points = varied(pixels_of(phantom.ihc("next")), true / 4, variant)
    Image.fromarray(pixels).save(scratch / "ihc.png", compress_level=1)
    try:
        found = register(open_slide(fixed, 4.0), open_slide(scratch / "ihc.png", 4.0))
    except RegistrationError as refused:
        return {"seed": seed, "variant": variant, "accepted": False, "why": str(refused)}
    away = np.linalg.norm(found.to_moving(grid) - points * 4, axis=1)
    return {
        "seed": seed, "variant": variant, "accepted": True, "error_um": float(np.median(away)),
        "agreeing": found.agreeing,
    }  # fmt: skip


def impossible_pair(seed: int, scratch: Path) -> dict[str, Any]:
    """Register a blank slide (every fourth seed) or another phantom's section."""
    fixed = picture_of(Phantom(seed, _SIDE_PX, _SIDE_PX, _MPP).he(), scratch)
    if seed % 4 == 0:
        noise = np.random.default_rng(seed).normal(240, 2, (512, 512, 3))
        pixels = noise.astype(np.uint8)
    else:
        pixels = pixels_of(Phantom(seed + 500, _SIDE_PX, _SIDE_PX, _MPP).ihc("next"))
    Image.fromarray(pixels).save(scratch / "ihc.png", compress_level=1)
    try:
        found = register(open_slide(fixed, 4.0), open_slide(scratch / "ihc.png", 4.0))
    except RegistrationError as refused:
        return {"seed": seed, "accepted": False, "why": str(refused)}
    return {"seed": seed, "accepted": True, "agreeing": found.agreeing}


def alone(pair: Callable[[int, Path], dict[str, Any]], seed: int) -> dict[str, Any]:
    """Measure a pair in a folder of its own, and tell it."""
    with tempfile.TemporaryDirectory() as name:
        return told(pair(seed, Path(name)))


def told(facts: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(facts), file=sys.stderr, flush=True)
    return facts


def pixels_of(slide: Slide) -> NDArray[np.uint8]:
    h, w = (round(side / 4) for side in slide.size_um)
    return slide.region(0, 0, h, w, 4.0).pixels


def picture_of(slide: Slide, scratch: Path) -> Path:
    path = scratch / "he.png"
    Image.fromarray(pixels_of(slide)).save(path, compress_level=1)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--landmarks", type=Path, help="folder of pictures with landmarks")
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--phantoms", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1000, help="of the first phantom pair")
    parser.add_argument("--impossible", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1, help="phantom pairs side by side")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        pairs = landmark_pairs(words.landmarks) if words.landmarks else []
        landmarks = [
            told(measure(*pair, variant, scratch)) for pair in pairs for variant in words.variants
        ]
        refused = refusals(scratch) if words.impossible else {}
    with ProcessPoolExecutor(words.processes, get_context("spawn")) as pool:
        valid = pool.map(
            partial(alone, phantom_pair), range(words.seed, words.seed + words.phantoms)
        )
        first = words.seed + 1000
        others = pool.map(partial(alone, impossible_pair), range(first, first + words.impossible))
        phantoms, impossible = list(valid), list(others)
    errors = [pair["error_um"] for pair in phantoms if pair["accepted"]]
    result = {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/registration.py"),
        "landmarks": landmarks,
        "phantoms_accepted": sum(pair["accepted"] for pair in phantoms),
        "phantoms": len(phantoms),
        "phantom_error_um_median": float(np.median(errors)) if errors else None,
        "impossible_accepted": sum(pair["accepted"] for pair in impossible),
        "impossible": len(impossible),
        "refusals": refused,
        "phantom_pairs": phantoms,
        "impossible_pairs": impossible,
        "cpus": os.cpu_count(),
    }
    print(json.dumps(result) if words.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
