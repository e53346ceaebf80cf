"""Look at all images of an export before the first of them is written, in threads."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from batchgen.errors import ImageError
from batchgen.exports.columns import Row, made
from batchgen.exports.likeness import Dedup, Near, find_near, find_same
from batchgen.exports.look import Look, look
from batchgen.images.parts import Parts
from batchgen.job import job_id_of, number_of

# Decoding lets other threads work; so do hashing and reading.
THREADS = min(8, (os.cpu_count() or 1) + 1)

# So many images are on their way at most: each may be some ten megabytes.
UNDER_WAY = 2 * THREADS

A = TypeVar("A")
B = TypeVar("B")

NOT_DOWNLOADED = "not downloaded"

_NO_IMAGE = Look(fault="no image")


@dataclass(slots=True, kw_only=True)
class Examined:
    """What the images of an export show, in about a hundred bytes each.

    Attributes:
        numbers: The job's number of each row.
        indexes: Its image index; -1 where the row speaks for the whole job.
        digests: The hash of its bytes.
        hashes: Its perceptual hash.
        blank: Whether it is blank.
        sound: Whether it is there, and what the ledger says.
        same: Rows that are byte for byte an earlier one.
        near: Rows that look like an earlier one.
    """

    numbers: array[int] = field(default_factory=lambda: array("Q"))
    indexes: array[int] = field(default_factory=lambda: array("q"))
    digests: list[bytes] = field(default_factory=list)
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    blank: list[bool] = field(default_factory=list)
    sound: list[bool] = field(default_factory=list)
    same: dict[int, int] = field(default_factory=dict)
    near: dict[int, Near] = field(default_factory=dict)

    def add(self, record: Mapping[str, str], seen: Look) -> None:
        """Take note of a row and its image."""
        self.numbers.append(number_of(record["job_id"]))
        self.indexes.append(int(record["image_index"] or -1))
        self.digests.append(bytes.fromhex(record["sha256"])[:16] if not seen.fault else b"")
        self.hashes.append(seen.phash)
        self.blank.append(seen.blank)
        self.sound.append(not seen.fault)

    def compare(self, *, dedup: Dedup, drop_blank: bool) -> None:
        """Find out which images are the same, or look the same.

        Blank ones are all alike, so they are compared by their bytes alone; those that are left
        out stand for no other.
        """
        among = [
            sound and not (drop_blank and blank)
            for sound, blank in zip(self.sound, self.blank, strict=True)
        ]
        self.same = find_same(self.digests, among=among)
        alone = [
            compared and not blank and place not in self.same
            for place, (compared, blank) in enumerate(zip(among, self.blank, strict=True))
        ]
        self.near = find_near(self.hashes, among=alone, threshold=dedup.threshold)

    def left_out(self, place: int, *, dedup: Dedup, drop_blank: bool) -> str:
        """Return why a sound image is left out all the same, or `""`."""
        if drop_blank and self.blank[place]:
            return "blank"
        if dedup.exact and place in self.same:
            return "duplicate"
        return "near duplicate" if dedup.near and place in self.near else ""

    def facts(self, place: int) -> Row:
        """Return what an image shows, as the columns of an export have it."""
        if not self.sound[place]:
            values: tuple[str | int | bool | None, ...] = (None, "", "", None, "")
        else:
            near = self.near.get(place)
            values = (
                self.blank[place],
                self._name(self.same.get(place)),
                self._name(near.place if near else None),
                near.distance if near else None,
                f"{self.hashes[place]:016x}",
            )
        names = ("blank", "duplicate_of", "near_duplicate_of", "near_distance", "phash")
        return dict(zip(map(made, names), values, strict=True))

    def _name(self, place: int | None) -> str:
        """Return an image as `job_id-image_index`."""
        if place is None:
            return ""
        return f"{job_id_of(self.numbers[place])}-{self.indexes[place]}"


def look_at_all(
    records: Iterable[dict[str, str]], *, folder: Path
) -> Iterator[tuple[dict[str, str], Look]]:
    """Yield each row with what its image shows, in order; threads look ahead.

    Args:
        records: Rows of the ledger.
        folder: The batch's.
    """
    places = Parts(folder)

    def see(record: dict[str, str]) -> Look:
        if record["status"] != "succeeded" or not record["image_index"]:
            return _NO_IMAGE
        if not record["file"]:
            return Look(fault=NOT_DOWNLOADED)
        try:
            path = places.path_of(record["file"])
        except ImageError:
            return Look(fault="file missing")
        return look(path, sha256=record["sha256"])

    return in_threads(records, see)


def in_threads(things: Iterable[A], work: Callable[[A], B]) -> Iterator[tuple[A, B]]:
    """Yield each thing with what came of it, in order; a few are worked on at a time."""
    under_way: deque[tuple[A, Future[B]]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="export") as threads:
        try:
            for thing in things:
                under_way.append((thing, threads.submit(work, thing)))
                if len(under_way) >= UNDER_WAY:
                    done, result = under_way.popleft()
                    yield done, result.result()
            while under_way:
                done, result = under_way.popleft()
                yield done, result.result()
        finally:
            for _, result in under_way:
                result.cancel()
