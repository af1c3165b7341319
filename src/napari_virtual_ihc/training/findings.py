"""What is wrong with pictures and pairs, told before training starts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_virtual_ihc.training.looks import Look
    from napari_virtual_ihc.training.pictures import Pair, Picture

FindingKind = Literal[
    "unpaired", "unreadable", "size", "same", "blank", "blurred", "stain", "duplicate", "split"
]
LEAST_TISSUE = 0.02
"""Share of an H&E picture that must be tissue; IHC without stain may show next to none."""

LEAST_CONTRAST = 2.0
"""Grey levels; the palest real IHC, HER2-negative, has 4."""

BLUR_PX = 1.8
OPTICS_UM = 0.5
_STAINS = {"he": "H&E", "ihc": "IHC"}


@dataclass(frozen=True)
class Finding:
    """Something about the data that its owner should know before training.

    Attributes
    ----------
    kind
        What is wrong.
    name
        The picture or pair, or what part of the data set.
    message
        One sentence.
    kept
        Whether what it speaks of is trained on or judged by all the same; else it is left out.
    """

    kind: FindingKind
    name: str
    message: str
    kept: bool = False

    @property
    def consequence(self) -> str:
        """What happens with the picture or pair, in words."""
        return "kept" if self.kept else "left out"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Seen:
    """A pair and what its two pictures look like.

    Attributes
    ----------
    pair
        The pair.
    he, ihc
        Looks of its pictures.
    """

    pair: Pair
    he: Look
    ihc: Look

    @property
    def sides(self) -> tuple[tuple[Picture, Look], tuple[Picture, Look]]:
        """Both pictures with their looks, H&E first."""
        return (self.pair.he, self.he), (self.pair.ihc, self.ihc)


def blur_limit(mpp: float) -> float:
    """Return the largest σ of blur, pixels, of a picture in focus at ``mpp`` µm/px.

    A scanner's optics alone blur by up to 0.5 µm; focus, JPEG and resampling may add 1.8 px.
    Pictures in focus stay 0.6 px below the limit; blurred by 3 px they are 0.25 px or more above.
    """
    return math.hypot(BLUR_PX, OPTICS_UM / mpp)


def judge_pair(seen: Seen, mpp: float, crop: int) -> Finding | None:
    """Return what is wrong with a pair by itself, if anything.

    Parameters
    ----------
    mpp
        Scale of the pictures, µm/px.
    crop
        Side of the crops that will be cut, pixels.
    """
    pair, he, ihc = seen.pair, seen.he, seen.ihc
    if (he.height, he.width) != (ihc.height, ihc.width):
        sizes = " and ".join(f"{look.width} × {look.height} px" for look in (he, ihc))
        return Finding("size", pair.name, f"{pair.he} and its IHC differ in size: {sizes}.")
    if min(he.height, he.width) < crop:
        message = f"{pair.he} is smaller than a crop of {crop} px."
        return Finding("size", pair.name, message)
    if he.pixels == ihc.pixels:
        return Finding("same", pair.name, f"{pair.he} and {pair.ihc} are the same picture.")
    return _blank(seen) or _blurred(seen, blur_limit(mpp))


def _blank(seen: Seen) -> Finding | None:
    if seen.he.tissue < LEAST_TISSUE:
        message = f"{seen.pair.he} shows hardly any tissue ({100 * seen.he.tissue:.1f} %)."
        return Finding("blank", seen.pair.name, message)
    for picture, look in seen.sides:
        if look.contrast < LEAST_CONTRAST:
            message = f"{picture} shows nothing: its contrast is {look.contrast:.1f} grey levels."
            return Finding("blank", seen.pair.name, message)
    return None


def _blurred(seen: Seen, limit: float) -> Finding | None:
    for picture, look in seen.sides:
        if look.blur > limit:
            message = (
                f"{picture} is out of focus: it is blurred by a Gaussian of σ ≈ {look.blur:.1f} px "
                f"(limit {limit:.1f} px)."
            )
            return Finding("blurred", seen.pair.name, message)
    return None


def judge_stains(pairs: Sequence[Seen]) -> tuple[list[Finding], dict[Pair, Finding]]:
    """Return what is to be said of whole folders, and pairs that show the wrong stain.

    Where most pictures of a folder show the other stain, this is said once and all are kept. A
    single IHC picture that looks like H&E is kept too, for a pale one does; an H&E picture that
    looks like IHC is not, for no H&E does.
    """
    wrong = {seen.pair: _wrong_stains(seen) for seen in pairs}
    folders = _wrong_folders(wrong)
    usual = frozenset(side for sides, _ in folders for side in sides)
    single = {
        seen.pair: _stain_finding(seen, wrong[seen.pair] - usual)
        for seen in pairs
        if wrong[seen.pair] - usual
    }
    return [finding for _, finding in folders], single


def _wrong_folders(wrong: Mapping[Pair, frozenset[str]]) -> list[tuple[tuple[str, ...], Finding]]:
    many = len(wrong)
    he, ihc = (sum(side in sides for sides in wrong.values()) for side in ("H&E", "IHC"))
    if he > many / 2 and ihc > many / 2:
        message = (
            f"The folders seem to be swapped: {he} of {many} H&E pictures look like IHC, and "
            f"{ihc} IHC pictures like H&E."
        )
        return [(("H&E", "IHC"), Finding("stain", "folders", message, kept=True))]
    found: list[tuple[tuple[str, ...], Finding]] = []
    for side, count, other in (("H&E", he, "IHC"), ("IHC", ihc, "H&E")):
        if count > many / 2:
            message = f"{count} of {many} pictures that stand for {side} look like {other}."
            found.append(((side,), Finding("stain", side, message, kept=True)))
    return found


def _wrong_stains(seen: Seen) -> frozenset[str]:
    right = (("H&E", seen.he.stain, "ihc"), ("IHC", seen.ihc.stain, "he"))
    return frozenset(side for side, stain, wrong in right if stain == wrong)


def _stain_finding(seen: Seen, wrong: frozenset[str]) -> Finding:
    pair = seen.pair
    if len(wrong) == 2:
        return Finding("stain", pair.name, f"{pair.he} and {pair.ihc} seem to be swapped.")
    picture, look = seen.sides[0] if "H&E" in wrong else seen.sides[1]
    side = "H&E" if "H&E" in wrong else "IHC"
    message = f"{picture} stands for {side} but looks like {_STAINS[look.stain]}."
    return Finding("stain", pair.name, message, kept=side == "IHC")


def judge_duplicates(train: Iterable[Seen], validation: Iterable[Seen]) -> dict[Pair, Finding]:
    """Return pairs that show a picture again; of a training and a held-out one, the former."""
    first: dict[str, str] = {}
    found: dict[Pair, Finding] = {}
    for split, pairs in (("validation", validation), ("training", train)):
        for seen in pairs:
            again = next((first[look.pixels] for _, look in seen.sides if look.pixels in first), "")
            if again:
                found[seen.pair] = _duplicate(seen, again, split)
                continue
            told = f"{seen.pair.name} ({split})"
            first |= {look.pixels: told for _, look in seen.sides}
    return found


def _duplicate(seen: Seen, earlier: str, split: str) -> Finding:
    message = f"{seen.pair.name} ({split}) shows a picture of {earlier} again."
    if split == "training" and "(validation)" in earlier:
        message = f"{message[:-1]}, which is held out."
    return Finding("duplicate", seen.pair.name, message)


def counts(findings: Iterable[Finding]) -> Mapping[str, int]:
    """Return how many findings there are of each kind, most frequent first."""
    return dict(Counter(finding.kind for finding in findings).most_common())
