"""Make a data set of a batch: which images, what they show, what is missing, then write.

The ledger is read three times as a stream: to count, to look at every image, to write. Between the
times about a hundred bytes an image are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from batchgen.attempt import timestamp
from batchgen.batch import Batch
from batchgen.exports.card import NAME as CARD_NAME
from batchgen.exports.card import Made, write_card
from batchgen.exports.census import Census
from batchgen.exports.columns import CAPTION, Column, lay_out, made
from batchgen.exports.examine import Examined, in_threads, look_at_all
from batchgen.exports.exported import Exported
from batchgen.exports.holes import Hole, HoleList, find_holes, picked_holes
from batchgen.exports.intake import Intake
from batchgen.exports.options import ExportOptions
from batchgen.exports.picture import Picture, take_picture
from batchgen.exports.source import Source
from batchgen.exports.wording import Wording
from batchgen.exports.workplace import Workplace, disk_errors
from batchgen.exports.writer import Item, Loading, Shape, Writer
from batchgen.job import number_of
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


@dataclass(slots=True)
class _Written:
    """What was written.

    Attributes:
        census: Counts of it.
        loading: How it is loaded.
        left_out: Images that were left out, by the reason.
        former: Images that the manifest no longer asks for.
    """

    census: Census
    loading: Loading
    left_out: Counter[str]
    former: int


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
        written = self._write(examined)
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

    def _describe(self, written: _Written, holes: HoleList) -> Exported:
        census = written.census
        return replace(
            self._outcome(holes),
            images=census.images,
            rows=census.rows,
            bytes=census.bytes,
            splits={name: census.splits[name] for name in self.options.splits.names},
            left_out=written.left_out,
            former=written.former,
            warnings=(*self._empty_splits(census), *written.loading.warnings),
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
            if seen.fault in DAMAGED:
                holes.add(Hole(record=record, why=seen.fault))
            self.watch("examined", done, self.intake.rows)
        examined.compare(dedup=self.options.dedup, drop_blank=self.options.drop_blank)
        return examined

    def _write(self, examined: Examined) -> _Written:
        options = self.options
        shape = Shape(
            folder=self.place.new,
            columns=self.columns,
            splits=options.splits.names,
            is_split=bool(options.splits.parts),
            is_linked=options.is_linked,
        )
        writer = options.format.make(shape, options.making)
        try:
            return self._fill(writer, examined)
        except BaseException:
            with suppress(Exception):
                writer.close()  # no file stays open in a folder that is cleared away
            raise

    def _fill(self, writer: Writer, examined: Examined) -> _Written:
        census = Census(self.intake.source.columns)
        left_out: Counter[str] = Counter()
        former = 0
        chosen = self._chosen(examined, left_out)
        pictures = in_threads(chosen, partial(self._picture, examined))
        for done, ((place, record), picture) in enumerate(pictures, start=1):
            split = self.options.splits.of(self.intake.grouping.key(record))
            writer.add(self._item(record, examined, place, split=split, picture=picture))
            census.note(record, split=split, has_image=examined.sound[place])
            standing = self.intake.source.standings.find(number_of(record["job_id"]))
            former += standing is not None and not standing.drawn
            self.watch("written", done, self.intake.rows - left_out.total())
        return _Written(census, writer.close(), left_out, former)

    def _chosen(
        self, examined: Examined, left_out: Counter[str]
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows that are written, with their places; count those that are not."""
        options = self.options
        for place, record in enumerate(self.intake.records()):
            if not examined.sound[place]:
                if not options.format.holds_images:
                    yield place, record
                continue
            why = examined.left_out(place, dedup=options.dedup, drop_blank=options.drop_blank)
            if why:
                left_out[why] += 1
            else:
                yield place, record

    def _picture(self, examined: Examined, chosen: tuple[int, dict[str, str]]) -> Picture | None:
        place, record = chosen
        if not self.options.format.holds_images or not examined.sound[place]:
            return None
        return take_picture(self.batch.folder / record["file"], resize=self.options.resize)

    def _item(
        self,
        record: dict[str, str],
        examined: Examined,
        place: int,
        *,
        split: str,
        picture: Picture | None,
    ) -> Item:
        caption = self.wording.caption(record)
        facts = {**record, made(CAPTION): caption, **examined.facts(place)}
        if picture is not None:
            facts[made("resized_width")] = picture.width
            facts[made("resized_height")] = picture.height
        is_named = picture is not None and self.options.format.names_files
        return Item(
            row={column.name: column.value(facts) for column in self.columns},
            name=f"{record['job_id']}-{record['image_index']}",
            file=self.wording.file(record) if is_named else "",
            split=split,
            caption=caption,
            picture=picture,
        )
