"""What the page shows in one place: an image, or a job that has none, and why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Status(StrEnum):
    """Why there is a picture to look at, or none."""

    SUCCEEDED = "succeeded"
    MISSING = "missing"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    OPEN = "open"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of items: those of the ledger.

    Attributes:
        columns: Their names, in order.
        parameters: Which of them are parameters, prompt and seed aside.
        variables: Which of them are variables of the manifest.
    """

    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    variables: tuple[str, ...]

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each column is, from 0."""
        return {name: number for number, name in enumerate(self.columns)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image, or a job that has none.

    Attributes:
        header: Its columns.
        cells: A row as the ledger has it; of a job that it does not have, as it would be.
        status: Why there is a picture, or none.
    """

    header: Header
    cells: Sequence[str]
    status: Status

    def __getitem__(self, column: str) -> str:
        """Return a cell; `""` where the ledger has no such column."""
        place = self.header.place.get(column)
        return "" if place is None else self.cells[place]

    @property
    def kind(self) -> tuple[str, str]:
        """Its status, and the class of its failure or `""`."""
        return self.status, self["error_type"] if self.status is Status.FAILED else ""

    @property
    def has_picture(self) -> bool:
        """Whether there is a picture to look at."""
        return self.status is Status.SUCCEEDED

    @property
    def picture(self) -> str:
        """What its small pictures are called: they are made once for each content."""
        return f"{self['job_id']}-{self['image_index']}-{self['sha256'][:8]}"


def status_of(cells: Mapping[str, str]) -> Status:
    """Return what the ledger says of a row: one that was never downloaded is not delivered."""
    status = Status(cells["status"])
    if status is Status.SUCCEEDED and not cells["file"]:
        return Status.UNDELIVERED
    return status
