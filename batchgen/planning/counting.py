"""Draw a manifest once and count its jobs: what is on record about each, what a run would send.

A million new jobs are counted by a handful of piles: all that are alike lie on one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.budget import ZERO
from batchgen.job import Job, number_of
from batchgen.planning.census import Census, Line, Pile, images_to_disk
from batchgen.planning.reason import Reason, reason_of
from batchgen.record import Record
from batchgen.retry import RetryRule
from batchgen.standing import Rows, Standing, Step, next_step
from batchgen.tally import Tally, error_type_of
from batchgen.todo import is_to_be_sent

# Somebody who watches is told every so many jobs.
TOLD_EVERY = 4096

# So many jobs that cannot be rendered are kept; the others are counted.
MOST_UNFIT = 1000

# Tools and hubs take so many files in a folder.
MOST_FILES = 10_000

# Files are counted in so many folders; where there are more, none of them is likely to be full.
MOST_FOLDERS = 100_000

# Failures that not even `--retry failed` takes up, because sending again would not help.
NEVER_AGAIN = ("template", "missing_image")

# How a job stands that cannot be rendered: as if its row were in the ledger already.
_UNFIT = Standing(rows=Rows(job_status="failed", error_type="template"), drawn=True)


@dataclass(slots=True, kw_only=True)
class Counting:
    """Counts jobs one by one.

    Attributes:
        record: What is on record; each job is marked as drawn in it.
        retry: Which failures the run takes up again.
        download: Whether it downloads.
        limit: Jobs that it may send, or None.
        price_usd: What a job costs whose endpoint has no price, or None.
        watch: Told now and then how many jobs were drawn.
    """

    record: Record
    retry: RetryRule
    download: bool
    limit: int | None = None
    price_usd: Decimal | None = None
    watch: Callable[[int], None] | None = None
    _piles: dict[tuple[object, ...], Pile] = field(default_factory=dict)
    _folders: Counter[str] = field(default_factory=Counter)
    _unfit: list[Job] = field(default_factory=list)
    _unfit_jobs: int = 0
    _first: Job | None = None
    _second: Job | None = None
    _folded: int = 0
    _drawn: int = 0

    def count(self, jobs: Iterable[Job], *, until_limit: bool = False) -> Census:
        """Draw all jobs and return what there is.

        Args:
            jobs: In the order of the manifest.
            until_limit: Stop once the limit is reached: only what is sent needs to be known.
        """
        room = sys.maxsize if self.limit is None else self.limit
        jobs_of, mark_drawn, pile_of = self.record.jobs, self.record.mark_drawn, self._pile_of
        for job in jobs:
            self._drawn += 1
            if not self._drawn % TOLD_EVERY and self.watch is not None:
                self.watch(self._drawn)
            number = number_of(job.job_id)
            if mark_drawn(number):
                self._fold(job)
                continue
            pile = pile_of(job, jobs_of[number])
            pile.jobs += 1
            if pile.sends:
                if room > 0:
                    self._first = self._first or job
                    pile.sent += 1
                    room -= 1
                elif until_limit:
                    break
            if job.problem:
                self._note_unfit(job, pile.standing)
            else:
                self._note_folder(job)
        return self._census()

    def _pile_of(self, job: Job, standing: Standing) -> Pile:
        # Standings that many jobs share are one object, and all of them stay in the record.
        key = (
            id(standing),
            job.price_usd,
            job.images,
            job.endpoint,
            job.input.get("output_format"),
            bool(job.problem),
        )
        pile = self._piles.get(key)
        if pile is None:
            pile = self._piles[key] = self._begin_pile(job, standing)
        return pile

    def _begin_pile(self, job: Job, standing: Standing) -> Pile:
        step = next_step(standing, retry=self.retry, download=self.download)
        wanted = is_to_be_sent(job, standing, step, retry=self.retry)
        if job.problem and (wanted or step is Step.RENDER):
            return Pile(example=job, standing=_UNFIT, step=Step.RENDER, sends=False)
        return Pile(example=job, standing=standing, step=step, sends=wanted)

    def _fold(self, job: Job) -> None:
        self._folded += 1
        self._second = self._second or job

    def _note_unfit(self, job: Job, standing: Standing) -> None:
        if standing is not _UNFIT:
            return
        self._unfit_jobs += 1
        if len(self._unfit) < MOST_UNFIT:
            self._unfit.append(job)

    def _note_folder(self, job: Job) -> None:
        folder = job.file.rpartition("/")[0]
        if folder in self._folders or len(self._folders) < MOST_FOLDERS:
            self._folders[folder] += job.images

    def _census(self) -> Census:
        lines = {reason: Line() for reason in Reason}
        tally = Tally()
        piles = tuple(self._piles.values())
        for pile in piles:
            tally.add(pile.standing, pile.step, times=pile.jobs)
            reason = reason_of(pile.standing, pile.step, sends=pile.sends)
            self._add_to(lines[reason], pile, reason)
        fit = (pile for pile in piles if not pile.example.problem)
        return Census(
            jobs=sum(pile.jobs for pile in piles),
            images=sum(pile.jobs * pile.example.images for pile in piles),
            folded=self._folded,
            second=self._second,
            lines=lines,
            tally=tally,
            quoted_usd=sum((pile.jobs * self._price(pile.example) for pile in fit), ZERO),
            first=self._first,
            unfit=tuple(self._unfit),
            unfit_jobs=self._unfit_jobs,
            piles=piles,
            crowded={
                folder: files for folder, files in self._folders.items() if files > MOST_FILES
            },
        )

    def _add_to(self, line: Line, pile: Pile, reason: Reason) -> None:
        line.jobs += pile.jobs
        line.sent += pile.sent
        line.images += images_to_disk(pile)
        price, error_type = self._price(pile.example), error_type_of(pile.standing)
        match reason:
            case Reason.NEW | Reason.RETRY:
                line.cost_usd += pile.sent * price
                if pile.example.price_usd is None and self.price_usd is None:
                    line.unpriced += pile.sent
            case Reason.OPEN | Reason.UNKNOWN:
                line.cost_usd += pile.jobs * pile.standing.reserved_usd
            case Reason.FAILED if error_type not in NEVER_AGAIN:
                line.cost_usd += pile.jobs * price
        if reason in (Reason.FAILED, Reason.RETRY):
            line.types[error_type] += pile.jobs

    def _price(self, job: Job) -> Decimal:
        """Return what a job costs, as the run reckons; nothing where nobody knows."""
        return job.price_usd if job.price_usd is not None else self.price_usd or ZERO
