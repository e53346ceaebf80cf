"""Write the rows of an export, one by one, and count what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.exports.census import Census
from batchgen.exports.columns import CAPTION, Column, made
from batchgen.exports.examine import Examined, in_threads
from batchgen.exports.intake import Intake
from batchgen.exports.options import ExportOptions
from batchgen.exports.picture import Picture, take_picture
from batchgen.exports.wording import Wording
from batchgen.exports.writer import Item, Loading, Shape, Writer
from batchgen.job import number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
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


def write_all(
    options: ExportOptions,
    intake: Intake,
    examined: Examined,
    *,
    folder: Path,
    batch_folder: Path,
    columns: tuple[Column, ...],
    wording: Wording,
    watch: Callable[[int, int], None],
) -> Written:
    """Write all rows that are asked for and not left out.

    Args:
        options: What is wanted.
        intake: The rows.
        examined: What their images show.
        folder: Where the export is written.
        batch_folder: The batch's.
        columns: The columns of every row.
        wording: Renders captions and names.
        watch: Told how many were written, and of how many.

    Raises:
        ExportError: An image is gone meanwhile, or does not fit into the format.
        OSError: The disk refused something.
    """
    shape = Shape(
        folder=folder,
        columns=columns,
        splits=options.splits.names,
        is_split=bool(options.splits.parts),
        is_linked=options.is_linked,
    )
    writer = options.format.make(shape, options.making)
    writing = _Writing(
        options=options,
        intake=intake,
        examined=examined,
        batch_folder=batch_folder,
        columns=columns,
        wording=wording,
    )
    try:
        return writing.fill(writer, watch)
    except BaseException:
        with suppress(Exception):
            writer.close()  # no file stays open in a folder that is cleared away
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """What every row needs."""

    options: ExportOptions
    intake: Intake
    examined: Examined
    batch_folder: Path
    columns: tuple[Column, ...]
    wording: Wording
    left_out: Counter[str] = field(default_factory=Counter)

    def fill(self, writer: Writer, watch: Callable[[int, int], None]) -> Written:
        census = Census(self.intake.source.columns)
        former = 0
        pictures = in_threads(self._chosen(), self._picture)
        for done, ((place, record), picture) in enumerate(pictures, start=1):
            split = self.options.splits.of(self.intake.grouping.key(record))
            writer.add(self._item(place, record, split=split, picture=picture))
            has_image = self.examined.sound[place]
            census.note(record, split=split, has_image=has_image, picture=picture)
            standing = self.intake.source.standings.find(number_of(record["job_id"]))
            former += standing is not None and not standing.drawn
            watch(done, self.intake.rows - self.left_out.total())
        return Written(census=census, loading=writer.close(), left_out=self.left_out, former=former)

    def _chosen(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows that are written, with their places; count those that are not."""
        options, examined = self.options, self.examined
        for place, record in enumerate(self.intake.records()):
            if not examined.sound[place]:
                if not options.format.holds_images:
                    yield place, record
                continue
            why = examined.left_out(place, dedup=options.dedup, drop_blank=options.drop_blank)
            if why:
                self.left_out[why] += 1
            else:
                yield place, record

    def _picture(self, chosen: tuple[int, dict[str, str]]) -> Picture | None:
        place, record = chosen
        if not self.options.format.holds_images or not self.examined.sound[place]:
            return None
        return take_picture(self.batch_folder / record["file"], resize=self.options.resize)

    def _item(
        self,
        place: int,
        record: dict[str, str],
        *,
        split: str,
        picture: Picture | None,
    ) -> Item:
        caption = self.wording.caption(record)
        facts = {**record, made(CAPTION): caption, **self.examined.facts(place)}
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
