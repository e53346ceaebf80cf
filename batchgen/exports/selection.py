"""Which images of a batch are exported: by their cells, by what somebody picked, by status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.errors import UsageError
from batchgen.exports.columns import find_column
from batchgen.ledger import TAIL
from batchgen.picks import Picks, Verdict

SUCCEEDED = "succeeded"
STATUSES = (SUCCEEDED, "undelivered", "failed", "unknown")
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows of the ledger are exported.

    Attributes:
        statuses: Those that a row may have.
        where: Column → the texts that its cell may be.
        picks: What somebody thinks of the images; None where nobody was asked.
    """

    statuses: frozenset[str] = frozenset({SUCCEEDED})
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    picks: Picks | None = None

    @property
    def has_picked(self) -> bool:
        """Whether images were picked: then no other is wanted."""
        return self.picks is not None and any(True for _ in self.picks.images(Verdict.PICKED))

    def wants(self, record: Mapping[str, str]) -> bool:
        """Say whether a row's cells are those that were asked for.

        Args:
            record: Column → cell.
        """
        return all(record[name] in values for name, values in self.where.items())

    def wants_hole(self, record: Mapping[str, str]) -> bool:
        """Say whether an image that is missing would have been asked for.

        What only an image that is there has, its size, say, is not held against it.

        Args:
            record: Column → cell of what there would be.
        """
        if not all(record.get(name) in values for name, values in self._known_before()):
            return False
        if self.picks is None or not record["image_index"]:
            return True
        verdict = self.picks.verdict(record["job_id"], int(record["image_index"]))
        return verdict is not Verdict.REJECTED

    def _known_before(self) -> Iterator[tuple[str, frozenset[str]]]:
        made_later = {"image_index", "status", "url", "file", *TAIL}
        return ((name, values) for name, values in self.where.items() if name not in made_later)

    def takes(self, record: Mapping[str, str], *, only_picked: bool) -> bool:
        """Say whether a row of the ledger is exported.

        Args:
            record: Column → cell.
            only_picked: `has_picked`, asked once.
        """
        if record["status"] not in self.statuses or not self.wants(record):
            return False
        if self.picks is None:
            return True
        if not record["image_index"]:
            return not only_picked
        verdict = self.picks.verdict(record["job_id"], int(record["image_index"]))
        return verdict is Verdict.PICKED if only_picked else verdict is not Verdict.REJECTED


def parse_where(texts: Iterable[str], *, columns: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return what `--where` says: of one column any value, of several columns all.

    Args:
        texts: As in `style=ukiyo-e`.
        columns: The ledger's.

    Raises:
        UsageError: A text is not as above, or there is no such column.
    """
    where: dict[str, frozenset[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--where is {text!r}. It takes AXIS=VALUE, as in style=ukiyo-e")
        column = find_column(name.strip(), columns, option="--where")
        where[column] = where.get(column, frozenset()) | {value}
    return where


def parse_statuses(names: Sequence[str]) -> frozenset[str]:
    """Return what `--status` says; succeeded where it says nothing."""
    if not names:
        return frozenset({SUCCEEDED})
    return frozenset(STATUSES) if ALL in names else frozenset(names)
