"""What verify finds, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path

from batchgen.budget import ZERO
from batchgen.lock import Holder

# Of each kind so many findings are kept to be shown; the others are counted.
MOST_SHOWN = 1000


class Kind(Enum):
    """What may be wrong with a batch: its name in `--json`; what one is, and what several are."""

    JOURNAL_LOST = ("journal_lost", "requests.csv is lost")
    JOURNAL_BROKEN = ("journal_broken", "requests.csv cannot be trusted")
    LEDGER_LOST = ("ledger_lost", "ledger.csv is lost")
    LEDGER_RESAVED = ("ledger_resaved", "ledger.csv was saved by another program, in its own way")
    LEDGER_BROKEN = ("ledger_broken", "ledger.csv cannot be trusted")
    LEDGER_FOREIGN = ("ledger_foreign", "ledger.csv is not a ledger of batchgen")
    HISTORY_BROKEN = ("history_broken", "ledger-history.csv cannot be trusted")
    REDO_BROKEN = ("redo_broken", "redo.csv cannot be trusted")
    TORN_TAIL = (
        "torn_tail",
        "file ends in the middle of a row",
        "files end in the middle of a row",
    )
    NO_JOURNAL = (
        "no_journal",
        "job is in ledger.csv and not in requests.csv",
        "jobs are in ledger.csv and not in requests.csv",
    )
    NOT_IN_LEDGER = (
        "not_in_ledger",
        "job has ended in requests.csv, and ledger.csv does not say so",
        "jobs have ended in requests.csv, and ledger.csv does not say so",
    )
    UNDELIVERED = (
        "undelivered",
        "image is made and paid, and not on disk",
        "images are made and paid, and not on disk",
    )
    MISSING_FILE = ("missing_file", "file is missing", "files are missing")
    DAMAGED_FILE = ("damaged_file", "file is damaged", "files are damaged")
    LOST_FILE = (
        "lost_file",
        "file is missing or damaged, and requests.csv has no result for it",
        "files are missing or damaged, and requests.csv has no results for them",
    )
    ORPHAN_FILE = ("orphan_file", "file is named by no row", "files are named by no row")
    CHANGED_ROW = (
        "changed_row",
        "job has rows in ledger.csv that were changed",
        "jobs have rows in ledger.csv that were changed",
    )
    COST = (
        "cost",
        "job has another cost in ledger.csv than in requests.csv",
        "jobs have other costs in ledger.csv than in requests.csv",
    )
    UNJOURNALLED = (
        "unjournalled",
        "job is older than requests.csv, which was lost",
        "jobs are older than requests.csv, which was lost",
    )
    DUPLICATE_ROW = (
        "duplicate_row",
        "row of ledger.csv is in ledger-history.csv too",
        "rows of ledger.csv are in ledger-history.csv too",
    )
    COLUMNS = ("columns", "ledger.csv lacks columns, which the next run adds")
    SUPERSEDED_ROW = (
        "superseded_row",
        "row of ledger.csv is replaced by a later one, and not tidied away yet",
        "rows of ledger.csv are replaced by later ones, and not tidied away yet",
    )
    LEFT_OVER = ("left_over", "file is left over by a crash", "files are left over by a crash")

    @property
    def key(self) -> str:
        """Its name in `--json`."""
        return str(self.value[0])

    @property
    def is_single(self) -> bool:
        """Whether there can be one only, which is told by its name alone."""
        return len(self.value) == 2

    @property
    def is_note(self) -> bool:
        """Whether it means nothing, or the next run sets it right: nobody needs to act on it."""
        return self in _NOTES

    def label(self, count: int) -> str:
        """Return what so many of them are, with their number."""
        if self.is_single:
            return str(self.value[1])
        return f"{count:,} {self.value[1 if count == 1 else 2]}"


_NOTES = frozenset(
    {
        Kind.UNJOURNALLED,
        Kind.DUPLICATE_ROW,
        Kind.COLUMNS,
        Kind.SUPERSEDED_ROW,
        Kind.LEFT_OVER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: What it is.
        text: What is wrong, for a person; neutralised.
        job_id: The job that it is about, or `""`.
        file: The file that it is about, relative to the batch's folder, or `""`.
    """

    kind: Kind
    text: str = ""
    job_id: str = ""
    file: str = ""


@dataclass(slots=True, kw_only=True)
class Group:
    """The findings of one kind.

    Attributes:
        count: How many there are.
        mended: How many of them were set right.
        shown: The first of them.
    """

    count: int = 0
    mended: int = 0
    shown: list[Finding] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many are still so."""
        return self.count - self.mended


@dataclass(slots=True, kw_only=True)
class Verification:
    """What a batch's ledger, journal and files say of each other.

    Attributes:
        batch: Its name.
        folder: Its folder, absolute.
        simulated: Whether its images are the simulator's.
        is_running: Whether a run has it: what that is about to write is no finding.
        holder: Who has it, as far as that is known.
        groups: What was found, by kind.
        rows: Rows of the ledger that count.
        entries: Rows of the journal.
        images: Files that were looked at.
        image_bytes: How long they are together.
        ledger_usd: The sum over the ledger's rows of jobs that are finished.
        journal_usd: What these have cost by the journal.
        mending: Whether what could be mended was.
        kept: What was kept aside, relative to the batch's folder.
    """

    batch: str
    folder: Path
    simulated: bool = False
    is_running: bool = False
    holder: Holder | None = None
    groups: dict[Kind, Group] = field(default_factory=dict)
    rows: int = 0
    entries: int = 0
    images: int = 0
    image_bytes: int = 0
    ledger_usd: Decimal = ZERO
    journal_usd: Decimal = ZERO
    mending: bool = False
    kept: list[str] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Take note of something."""
        group = self.groups.setdefault(finding.kind, Group())
        group.count += 1
        if len(group.shown) < MOST_SHOWN:
            group.shown.append(finding)

    def mended(self, after: Verification) -> None:
        """Take note of what is left after mending, and of the figures by then.

        Args:
            after: What was found then.
        """
        for kind in Kind:
            left = after.count(kind)
            if left > self.count(kind):
                self.groups[kind] = after.groups[kind]
            elif kind in self.groups:
                self.groups[kind].mended = self.groups[kind].count - left
        self.mending = True
        self.images = max(self.images, after.images)
        self.image_bytes = max(self.image_bytes, after.image_bytes)
        self.rows, self.entries = after.rows, after.entries
        self.ledger_usd, self.journal_usd = after.ledger_usd, after.journal_usd

    def count(self, kind: Kind) -> int:
        """Return how many findings of a kind there are."""
        return self.groups[kind].count if kind in self.groups else 0

    def left(self, kind: Kind) -> int:
        """Return how many findings of a kind are still so."""
        return self.groups[kind].left if kind in self.groups else 0

    def kinds(self, *, notes: bool) -> Iterator[tuple[Kind, Group]]:
        """Yield the kinds that were found, notes or what needs somebody, in the order of `Kind`."""
        for kind in Kind:
            if kind in self.groups and kind.is_note is notes:
                yield kind, self.groups[kind]

    @property
    def has_books(self) -> bool:
        """Whether both tables can be read, so that they could be held against each other."""
        return not any(map(self.left, BOOKS))

    @property
    def exit_code(self) -> int:
        """1 where something is not as it should be, else 0."""
        return 1 if any(group.left for _, group in self.kinds(notes=False)) else 0

    @property
    def reason(self) -> str:
        """What is left, in a few words; `""` where all is well."""
        return ", ".join(
            f"{group.left} {kind.key}" for kind, group in self.kinds(notes=False) if group.left
        )


# What keeps the two tables from being held against each other.
BOOKS = (
    Kind.JOURNAL_LOST,
    Kind.JOURNAL_BROKEN,
    Kind.LEDGER_LOST,
    Kind.LEDGER_RESAVED,
    Kind.LEDGER_BROKEN,
    Kind.LEDGER_FOREIGN,
)
