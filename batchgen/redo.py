"""Choose what is made once more: from images that were rejected, values, or jobs by their ids.

A job is made once more as a whole, under a take that the batch has never used and with a seed of
its own. What was ordered and is not made yet is not ordered again: the same command, given twice,
buys nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice

from batchgen.attempt import timestamp, write_json
from batchgen.batch import Batch
from batchgen.errors import ManifestError, Mistake, UsageError
from batchgen.job import Job, number_of
from batchgen.manifest import Manifest
from batchgen.manifest.block import Made
from batchgen.picks import Picks, Verdict
from batchgen.record import Record
from batchgen.redo_file import Redo, make_redo
from batchgen.redo_past import look_for_takes
from batchgen.redo_where import Where, parse_where
from batchgen.standing import Standing, job_state
from batchgen.state import AttemptState, JobState

# Somebody who watches is told every so many jobs.
TOLD_EVERY = 4096


class LeftOut(StrEnum):
    """Why a job that was named is not made once more by this order."""

    NOT_MADE = "not made"
    REDONE = "redone"
    REDO_FAILED = "redo failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which jobs somebody wants once more: one of the three, or none for what was ordered before.

    Attributes:
        rejected: The jobs of the images that are rejected here.
        where: The jobs of the manifest that have these values: `style=woodcut`.
        jobs: These jobs.
    """

    rejected: Picks | None = None
    where: Sequence[str] = ()
    jobs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is made once more.

    Attributes:
        lines: One for each job, in order; what was ordered before and is not made yet comes first.
        pending: How many of them were ordered before.
        left_out: Why jobs that were named are not among them → their ids.
        whole: Jobs among them that ask for several images: each is made once more as a whole.
        ordered: Where nothing was chosen, how many lines were ordered before, made ones included.
    """

    lines: tuple[Redo, ...]
    pending: int
    left_out: Mapping[LeftOut, tuple[str, ...]] = field(default_factory=dict)
    whole: int = 0
    ordered: int = 0

    @property
    def new(self) -> int:
        """How many lines are not on record yet."""
        return len(self.lines) - self.pending


def make_order(
    batch: Batch,
    wish: Wish,
    *,
    record: Record,
    now: datetime,
    watch: Callable[[int], None] | None = None,
) -> Order:
    """Return what is to be made once more; nothing is written.

    Args:
        batch: The batch.
        wish: What somebody wants.
        record: What is on record about the batch.
        now: The time.
        watch: Told now and then how many jobs of the manifest were looked at.

    Raises:
        UsageError: A value or a job is not there.
        ManifestError: A line of the picks names a job that is not there.
        LedgerError: A file of the batch is damaged.
    """
    manifest = batch.load_frozen()
    family = Family(lines=tuple(manifest.redo), record=record)
    chooser = _Chooser(batch=batch, manifest=manifest, family=family, watch=watch)
    at = timestamp(now)
    if wish.rejected is not None:
        return chooser.order(chooser.choose_rejected(wish.rejected), at=at)
    if wish.where:
        chosen = chooser.choose_where(parse_where(wish.where, manifest))
    elif wish.jobs:
        chosen = chooser.choose_jobs(wish.jobs)
    else:
        rest = tuple(line for line in family.lines if not family.is_done(line.job.job_id))
        return Order(lines=rest, pending=len(rest), ordered=len(family.lines))
    # These have no memory of what they have ordered, so a command that was cut short and is given
    # again first makes what is left of that, and orders nothing new.
    return chooser.order([] if chooser.has_pending else chosen, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Which job is a redo of which, and which of them were made.

    Attributes:
        lines: What was ordered before.
        record: What is on record.
    """

    lines: tuple[Redo, ...]
    record: Record
    _by_id: dict[str, Redo] = field(init=False)
    _redos: dict[str, list[Redo]] = field(init=False)

    def __post_init__(self) -> None:
        redos: dict[str, list[Redo]] = {}
        for line in self.lines:
            redos.setdefault(line.redo_of, []).append(line)
        object.__setattr__(self, "_by_id", {line.job.job_id: line for line in self.lines})
        object.__setattr__(self, "_redos", redos)

    def line(self, job_id: str) -> Redo | None:
        """Return the line that has ordered a job, if it is a redo."""
        return self._by_id.get(job_id)

    def root(self, job_id: str) -> str:
        """Return the job of a manifest that a job is a redo of, or a redo of a redo."""
        seen = set()
        while (line := self._by_id.get(job_id)) is not None and job_id not in seen:
            seen.add(job_id)
            job_id = line.redo_of
        return job_id

    def redos(self, job_id: str) -> list[Redo]:
        """Return the redos of a job itself."""
        return self._redos.get(job_id, [])

    def descendants(self, job_id: str) -> Iterator[Redo]:
        """Yield the redos of a job, and theirs."""
        for line in self.redos(job_id):
            yield line
            yield from self.descendants(line.job.job_id)

    def standing(self, job_id: str) -> Standing | None:
        """Return what is on record about a job."""
        return self.record.find(number_of(job_id))

    def was_made(self, job_id: str) -> bool:
        """Say whether the service has made images of a job."""
        standing = self.standing(job_id)
        return standing is not None and (
            standing.state is AttemptState.COMPLETED or standing.has_image
        )

    def is_done(self, job_id: str) -> bool:
        """Say whether all images of a job are there."""
        standing = self.standing(job_id)
        return standing is not None and job_state(standing) is JobState.SUCCEEDED

    def is_pending(self, job_id: str) -> bool:
        """Say whether a job is still to be made, or being made."""
        standing = self.standing(job_id)
        if standing is None:
            return True
        return not self.was_made(job_id) and job_state(standing) is not JobState.FAILED


@dataclass(slots=True, kw_only=True)
class _Chooser:
    """Finds the jobs that somebody wants once more.

    Attributes:
        batch: The batch.
        manifest: Its current one.
        family: Which job is a redo of which.
        watch: Told now and then how many jobs were looked at.
    """

    batch: Batch
    manifest: Manifest
    family: Family
    watch: Callable[[int], None] | None
    _found: dict[str, Made] = field(default_factory=dict)
    _pending: dict[str, Redo] = field(default_factory=dict)
    _left_out: dict[LeftOut, list[str]] = field(default_factory=dict)

    @property
    def has_pending(self) -> bool:
        """Whether something of what was named is ordered and not made yet."""
        return bool(self._pending)

    def choose_where(self, where: Where) -> list[str]:
        """Return the jobs of the manifest with these values, one of which was made at least."""
        chosen = []
        met: set[int] = set()
        for made in self._drawn():
            job_id = made.job.job_id
            if not where.takes(made.job) or number_of(job_id) in met:
                continue
            met.add(number_of(job_id))
            redos = [line.job.job_id for line in self.family.descendants(job_id)]
            if self._note_pending(redos):
                continue
            if any(map(self.family.was_made, (job_id, *redos))):
                chosen.append(job_id)
                self._found[job_id] = made
            else:
                self._leave_out(LeftOut.NOT_MADE, job_id)
        where.check_met()
        return chosen

    def choose_rejected(self, picks: Picks) -> list[str]:
        """Return the jobs of rejected images that were not redone since."""
        images = list(picks.images(Verdict.REJECTED))
        lines = {image.job_id: picks.lines[image] for image in reversed(images)}
        ids = list(dict.fromkeys(image.job_id for image in images))
        unknown = self._find(ids)
        if unknown:
            name = self.batch.name
            raise ManifestError(
                [
                    Mistake(
                        file=str(picks.path),
                        line=lines[job_id],
                        text=f"{name} has no job {job_id}: are these the picks of another batch?",
                    )
                    for job_id in unknown
                ]
            )
        return [job_id for job_id in ids if self._is_wanted(job_id, once=True)]

    def choose_jobs(self, jobs: Sequence[str]) -> list[str]:
        """Return those of some jobs that were made, each once."""
        ids = list(dict.fromkeys(jobs))
        malformed = [one for one in ids if len(one) != 16 or one.strip("klmnopqrstuvwxyz")]
        unknown = malformed or self._find(ids)
        if unknown:
            what = "a job id is 16 letters k to z, as in the first column of ledger.csv"
            raise UsageError(
                "\n".join(
                    f"--jobs: there is no job {one!r} in {self.batch.name}; {what}."
                    for one in unknown
                )
            )
        return [job_id for job_id in ids if self._is_wanted(job_id, once=False)]

    def order(self, chosen: Sequence[str], *, at: str) -> Order:
        """Return the lines that make the chosen jobs once more, each with a take of its own."""
        sources = [job_id for job_id in chosen if self.family.root(job_id) not in self._found]
        used = look_for_takes(
            self.batch, self.manifest, record=self.family.record, wanted=set(sources)
        )
        takes: Counter[tuple[str, str]] = Counter()
        lines = list(self._pending.values())
        for job_id in chosen:
            made = self._source(job_id, used.sent)
            if made is None:
                self._leave_out(LeftOut.GONE, job_id)
                continue
            job, name = made
            sent = {key: value for key, value in job.input.items() if key != "seed"}
            alike = (job.endpoint, write_json(sent))
            lines.append(
                make_redo(
                    job, redo_of=job_id, repeat=used.next_take + takes[alike], at=at, name=name
                )
            )
            takes[alike] += 1
        return Order(
            lines=tuple(lines),
            pending=len(self._pending),
            left_out={why: tuple(ids) for why, ids in self._left_out.items()},
            whole=sum(line.job.images > 1 for line in lines),
        )

    def _source(
        self, job_id: str, sent: Mapping[str, Job]
    ) -> tuple[Job, Callable[[Job], str] | None] | None:
        """Return what a job has sent, and what names it once more, as far as that is known."""
        made = self._found.get(self.family.root(job_id))
        if made is not None:
            return made.job, made.name
        line = self.family.line(job_id)
        job = sent.get(job_id) if line is None else line.job
        return None if job is None else (job, None)

    def _is_wanted(self, job_id: str, *, once: bool) -> bool:
        """Say whether a job gets a line; if not, note why.

        Args:
            job_id: The job.
            once: A job that was redone before gets none.
        """
        redos = [line.job.job_id for line in self.family.redos(job_id)]
        if self._note_pending([job_id, *redos] if self.family.line(job_id) else redos):
            return False
        if not self.family.was_made(job_id):
            self._leave_out(LeftOut.NOT_MADE, job_id)
            return False
        if once and redos:
            is_there = any(map(self.family.was_made, redos))
            self._leave_out(LeftOut.REDONE if is_there else LeftOut.REDO_FAILED, job_id)
            return False
        return True

    def _note_pending(self, job_ids: Iterable[str]) -> bool:
        """Note which of some redos are still to be made, and say whether there is one."""
        lines = [self.family.line(job_id) for job_id in job_ids if self.family.is_pending(job_id)]
        self._pending |= {line.job.job_id: line for line in lines if line is not None}
        return bool(lines)

    def _leave_out(self, why: LeftOut, job_id: str) -> None:
        self._left_out.setdefault(why, []).append(job_id)

    def _find(self, ids: Sequence[str]) -> list[str]:
        """Find some jobs, or what they are a redo of, in the manifest; return those unknown."""
        roots = {self.family.root(job_id) for job_id in ids}
        for made in self._drawn() if roots else ():
            if made.job.job_id in roots:
                self._found.setdefault(made.job.job_id, made)
                if len(self._found) == len(roots):
                    break
        return [
            job_id
            for job_id in ids
            if self.family.root(job_id) not in self._found
            and self.family.standing(job_id) is None
            and self.family.line(job_id) is None
        ]

    def _drawn(self) -> Iterator[Made]:
        made = self.manifest.made()
        drawn = 0
        while True:
            some = list(islice(made, TOLD_EVERY))
            yield from some
            drawn += len(some)
            if self.watch is not None:
                self.watch(drawn)
            if len(some) < TOLD_EVERY:
                return
