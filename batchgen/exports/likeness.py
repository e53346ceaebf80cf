"""Find images that are the same, or look the same, as an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from batchgen.errors import UsageError

# Two images look alike if no more of 64 bits differ. Compressing and scaling an image changes a
# few of them, another picture about half.
NEAR = 6

# Above this, images that have nothing in common begin to look alike.
MOST_NEAR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedup:
    """What `--dedup` says.

    Attributes:
        exact: Leave out what is byte for byte an earlier image.
        near: Leave out what looks like an earlier image, too.
        threshold: How many of 64 bits may differ between images that look alike.
    """

    exact: bool = False
    near: bool = False
    threshold: int = NEAR


def parse_dedup(text: str) -> Dedup:
    """Return what `--dedup` says; `""` is nothing.

    Raises:
        UsageError: It is not `exact`, `near` or `near:THRESHOLD`.
    """
    if not text:
        return Dedup()
    if text == "exact":
        return Dedup(exact=True)
    name, colon, threshold = text.partition(":")
    if name == "near" and not colon:
        return Dedup(exact=True, near=True)
    if name == "near" and threshold.isdecimal() and int(threshold) <= MOST_NEAR:
        return Dedup(exact=True, near=True, threshold=int(threshold))
    raise UsageError(
        f"--dedup is {text!r}. It takes exact, near, or near:THRESHOLD with 0 to {MOST_NEAR} "
        f"of 64 bits ({NEAR})"
    )


@dataclass(frozen=True, slots=True)
class Near:
    """An earlier image that looks the same.

    Attributes:
        place: Its place in the order.
        distance: How many of 64 bits differ.
    """

    place: int
    distance: int


def find_same(digests: Sequence[bytes], *, among: Sequence[bool]) -> dict[int, int]:
    """Return which images are byte for byte an earlier one: place → place of the first.

    Args:
        digests: One an image.
        among: Whether it is compared at all.
    """
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}
    for place, (digest, compared) in enumerate(zip(digests, among, strict=True)):
        if not compared:
            continue
        known = first.setdefault(digest, place)
        if known != place:
            same[place] = known
    return same


def find_near(
    hashes: Sequence[int], *, among: Sequence[bool], threshold: int = NEAR
) -> dict[int, Near]:
    """Return which images look like an earlier one that looks like none before it.

    So of images that all look alike the first remains, and a chain of small steps does not
    swallow its far end.

    Args:
        hashes: The perceptual hash of each image.
        among: Whether it is compared at all.
        threshold: How many of 64 bits may differ.
    """
    near: dict[int, Near] = {}
    kept = np.zeros(len(hashes), dtype=np.uint64)
    places: list[int] = []
    for place, (phash, compared) in enumerate(zip(hashes, among, strict=True)):
        if not compared:
            continue
        differing = np.bitwise_count(kept[: len(places)] ^ np.uint64(phash))
        nearest = int(differing.argmin()) if places else 0
        if places and differing[nearest] <= threshold:
            near[place] = Near(places[nearest], int(differing[nearest]))
        else:
            kept[len(places)] = phash
            places.append(place)
    return near
