"""Make a data set of a batch: which images, what they show, what is missing, then write.

The ledger is read three times as a stream: to count, to look at every image, to write. Between the
times about a hundred bytes an image are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from batchgen.attempt import timestamp
from batchgen.batch import Batch
from batchgen.errors import UsageError
from batchgen.exports.card import NAME as CARD_NAME
from batchgen.exports.card import Made, write_card
from batchgen.exports.census import Census
from batchgen.exports.columns import Column, lay_out
from batchgen.exports.examine import NOT_DOWNLOADED, Examined, look_at_all
from batchgen.exports.exported import Exported
from batchgen.exports.holes import Hole, HoleList, find_holes, picked_holes
from batchgen.exports.intake import Intake
from batchgen.exports.options import ExportOptions
from batchgen.exports.source import Source
from batchgen.exports.wording import Wording
from batchgen.exports.workplace import Workplace, disk_errors
from batchgen.exports.writing import Written, write_all
from batchgen.manifest import Manifest

MISSING_NAME = "missing.csv"

DAMAGED = ("file missing", "file damaged")

# Told what is being done, how many are done, and how many there are (0: not known).
Watch: TypeAlias = Callable[[str, int, int], None]


def export_batch(
    batch: Batch, options: ExportOptions, *, now: Callable[[], datetime], watch: Watch
) -> Exported:
    """Write a batch as a data set; when this returns it is there whole, or not at all.

    Args:
        batch: The batch; its files are only read.
        options: What is wanted.
        now: The clock.
        watch: Told all the time how far it is: `read`, `drawn`, `examined`, `written`.

    Raises:
        UsageError: The options do not fit the batch, or something else is at the place.
        BusyError: Another process is exporting to the place.
        LedgerError: The batch's record cannot be trusted.
        ExportError: It could not be written; nothing of it is left.
    """
    options.check()
    wording = Wording(caption=options.caption, name=options.name)
    place = Workplace(options.out)
    if place.target.is_relative_to(batch.folder):
        raise UsageError(
            f"{place.target} is in the batch's own folder. Name another with --out DIR."
        )
    with place.opened(), disk_errors(place.target):
        source = Source(batch, place.hidden / "ledger.csv")
        manifest = batch.load_frozen()
        intake = Intake(source, options, manifest)
        columns = lay_out(
            source.columns,
            taken=options.format.taken,
            endings=options.format.endings,
            copies=options.copies,
            has_caption=bool(options.caption),
            is_resized=options.resize is not None,
        )
        making = _Making(
            batch=batch,
            options=options,
            manifest=manifest,
            intake=intake,
            columns=columns,
            wording=wording,
            place=place,
            watch=watch,
        )
        return making.make(at=timestamp(now()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """One export, from reading to its place."""

    batch: Batch
    options: ExportOptions
    manifest: Manifest
    intake: Intake
    columns: tuple[Column, ...]
    wording: Wording
    place: Workplace
    watch: Watch

    def make(self, *, at: str) -> Exported:
        """Make it, unless something is missing that must not be."""
        self.intake.count(lambda rows: self.watch("read", rows, 0))
        missing = self.place.hidden / MISSING_NAME
        with HoleList(missing, self.intake.source.columns) as holes:
            find_holes(
                self.manifest,
                self.batch.state,
                self.intake,
                holes,
                watch=lambda jobs: self.watch("drawn", jobs, 0),
            )
            picked_holes(self.intake, holes)
            # Looking takes long: what is known to be missing is told before.
            if not self._refuses(holes):
                examined = self._examine(holes)
        if self._refuses(holes):
            return replace(self._outcome(holes), is_refused=True)
        written = write_all(
            self.options,
            self.intake,
            examined,
            folder=self.place.new,
            batch_folder=self.batch.folder,
            columns=self.columns,
            wording=self.wording,
            watch=lambda done, total: self.watch("written", done, total),
        )
        if not written.census.rows:
            raise UsageError(f"nothing is left to export: {_counts(written, holes)}.")
        exported = self._describe(written, holes)
        if holes.count:
            missing.rename(self.place.new / MISSING_NAME)
        how = Made(at=at, selection=self.options.asked, caption=self.options.caption)
        card = write_card(exported, written.census, written.loading, how)
        (self.place.new / CARD_NAME).write_text(card, encoding="utf-8", errors="replace")
        self.place.finish({"batch": exported.batch, "format": exported.format, "at": at})
        return exported

    def _refuses(self, holes: HoleList) -> bool:
        return self.options.is_strict and bool(holes.count)

    def _outcome(self, holes: HoleList) -> Exported:
        return Exported(
            batch=self.batch.name,
            simulated=self.batch.state is not None and self.batch.state.simulated,
            format=self.options.to,
            folder=self.place.target,
            holes=holes.reasons,
            first_holes=tuple(holes.first),
            damaged=sum(holes.reasons[why] for why in DAMAGED),
        )

    def _describe(self, written: Written, holes: HoleList) -> Exported:
        census = written.census
        return replace(
            self._outcome(holes),
            images=census.images,
            rows=census.rows,
            bytes=census.bytes,
            splits={name: census.splits[name] for name in self.options.splits.names},
            left_out=written.left_out,
            former=written.former,
            warnings=(
                *self.intake.unmet(),
                *self._empty_splits(census),
                *written.loading.warnings,
            ),
        )

    def _empty_splits(self, census: Census) -> Iterator[str]:
        for name in self.options.splits.names:
            if not census.splits[name]:
                yield (
                    f"the split {name} is empty: too few groups to fill every share. Keep less "
                    "together, or give it a larger share"
                )

    def _examine(self, holes: HoleList) -> Examined:
        """Look at every image; one that is not what the ledger says is a hole."""
        examined = Examined()
        seen_all = look_at_all(self.intake.records(), folder=self.batch.folder)
        for done, (record, seen) in enumerate(seen_all, start=1):
            examined.add(record, seen)
            is_picked_hole = self.intake.only_picked and seen.fault == NOT_DOWNLOADED
            if seen.fault in DAMAGED or is_picked_hole:
                holes.add(Hole(record=record, why=seen.fault))
            self.watch("examined", done, self.intake.rows)
        examined.compare(dedup=self.options.dedup, drop_blank=self.options.drop_blank)
        return examined


def _counts(written: Written, holes: HoleList) -> str:
    found = {**written.left_out, **{why: holes.reasons[why] for why in DAMAGED}}
    return ", ".join(f"{number:,} {why}" for why, number in found.items() if number)
