"""Make the page of a batch: read what is on record, make small pictures, write, publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from batchgen.batch import Batch
from batchgen.errors import UsageError
from batchgen.gallery.absent import MOST_DRAWN, Absent
from batchgen.gallery.axes import Axes
from batchgen.gallery.data import Data, Kinds
from batchgen.gallery.folder import GalleryFolder, new_version
from batchgen.gallery.item import Header, Item, status_of
from batchgen.gallery.night import Night
from batchgen.gallery.page import Facts, write_page
from batchgen.gallery.pictures import Pictures
from batchgen.gallery.snapshot import Snapshot, take_snapshot
from batchgen.gallery.snippet import write_snippet
from batchgen.gallery.spool import Spool
from batchgen.gallery.thumbnail import PREVIEW, THUMBNAIL
from batchgen.manifest import Manifest
from batchgen.overview import look
from batchgen.window_log import each_change

FOLDER, SHARED_FOLDER = "gallery", "gallery-share"

# Somebody who watches is told what is being done, how much of it is done, and how much there is
# (0 where nobody knows).
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """A page that was made.

    Attributes:
        page: What is opened.
        batch: The batch's name.
        simulated: Whether its images are the simulator's.
        share: Whether what nobody else may see is left out.
        images: Images that can be looked at.
        holes: Jobs and images without a picture that are shown with their reason.
        made: Small pictures that were made by this call; the others were there.
        bytes: Of the whole folder.
        notes: What the page cannot show, and why.
    """

    page: Path
    batch: str
    simulated: bool
    share: bool
    images: int
    holes: int
    made: int
    bytes: int
    notes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """What is zipped and sent."""
        return self.page.parent


def make_gallery(batch: Batch, *, share: bool, now: datetime, watch: Watch) -> Gallery:
    """Make the page of a batch, or make it anew; the batch's own files are only read.

    Args:
        batch: Its folder.
        share: Leave out cost, request ids, URLs and error texts, and hold every picture.
        now: The time, in the zone in which times are shown.
        watch: Told now and then what is being done.

    Raises:
        LedgerError: The record cannot be trusted, or the page cannot be written.
        ManifestError: The frozen manifest was damaged.
        UsageError: The batch has never run.
    """
    if batch.is_new:
        raise UsageError(f"{batch.folder} has never been run: there is nothing to look at.")
    folder = batch.folder / (SHARED_FOLDER if share else FOLDER)
    with take_snapshot(batch) as snapshot, new_version(folder) as version:
        return _Making(
            batch=batch, snapshot=snapshot, version=version, share=share, now=now, watch=watch
        ).run()


@dataclass(slots=True, kw_only=True)
class _Making:
    """One call: what it reads from, where it writes, and what it has found so far."""

    batch: Batch
    snapshot: Snapshot
    version: GalleryFolder
    share: bool
    now: datetime
    watch: Watch
    night: Night = field(default_factory=Night)
    kinds: Kinds = field(default_factory=Kinds)
    notes: list[str] = field(default_factory=list)
    pictures_wanted: set[str] = field(default_factory=set)
    quoted_usd: Decimal | None = None

    def run(self) -> Gallery:
        overview = look(self.batch)
        manifest = self.batch.load_frozen()
        header = Header(
            columns=self.snapshot.columns,
            parameters=self.snapshot.parameters,
            variables=self.snapshot.variables,
        )
        axes = Axes(header)
        axes.expect(manifest)
        with Spool(header) as spool:
            for item in self._items(header, manifest):
                axes.add(item)
                spool.add(item)
            pictures = self._pictures(spool)
            data = Data(
                folder=self.version.files,
                axes=axes.found(),
                kinds=self.kinds,
                share=self.share,
                snippet=self._snippets(manifest),
            )
            data.write(self._noted(spool))
        for change in each_change(self.batch.log_path):
            self.night.add_limit(change.at, change.limit)
        facts = Facts(
            overview=overview,
            night=self.night,
            axes=data.axes,
            constants=axes.constants(),
            kinds=self.kinds,
            items=spool.count,
            quoted_usd=self.quoted_usd,
            share=self.share,
            now=self.now,
            notes=self.notes,
        )
        write_page(self.version, facts)
        for made in pictures:
            made.drop_others(self.pictures_wanted)
        self.version.drop_earlier()
        return self._result(facts, pictures[0])

    def _items(self, header: Header, manifest: Manifest) -> Iterator[Item]:
        """Yield what the ledger has, then what it lacks."""
        for cells in self.snapshot.rows():
            status = status_of(dict(zip(header.columns, cells, strict=True)))
            yield Item(header=header, cells=cells, status=status)
        jobs = manifest.count()
        if jobs > MOST_DRAWN:
            self.quoted_usd = manifest.price_bound_usd()
            self.notes.append(
                f"What has not run yet is not shown: the manifest has {jobs:,} jobs, and a page "
                f"looks for holes among {MOST_DRAWN:,} at the most."
            )
            return
        absent = Absent(batch=self.batch, snapshot=self.snapshot, header=header)
        yield from absent.items(manifest, watch=lambda done: self.watch("jobs", done, jobs))
        self.quoted_usd = absent.quoted_usd

    def _pictures(self, spool: Spool) -> list[Pictures]:
        """Make the small pictures, thumbnails first; what has none is missing from here on."""
        folders: list[Pictures] = []
        sizes = {"thumbs": THUMBNAIL, **({"previews": PREVIEW} if self.share else {})}
        for name, size in sizes.items():
            pictures = Pictures(folder=self.version.folder / name, size=size)

            def watch(done: int, name: str = name) -> None:
                self.watch(name, done, spool.count)

            wanted = (item for item in spool.items() if item.has_picture)
            pictures.make(wanted, batch_folder=self.batch.folder, watch=watch)
            spool.broken |= pictures.broken
            folders.append(pictures)
        return folders

    def _noted(self, spool: Spool) -> Iterator[Item]:
        for position, item in enumerate(spool.items()):
            self.night.add(item, position)
            if item.has_picture:
                self.pictures_wanted.add(item.picture)
            yield item

    def _snippets(self, manifest: Manifest) -> Callable[[Item], str]:
        keys = [tuple(block.maker.key) for block in manifest.blocks]

        def write(item: Item) -> str:
            return write_snippet(item, keys=keys, batch=self.batch.name)

        return write

    def _result(self, facts: Facts, thumbnails: Pictures) -> Gallery:
        report = facts.overview.report
        folder = self.version.folder
        return Gallery(
            page=self.version.entrance,
            batch=report.batch,
            simulated=report.simulated,
            share=self.share,
            images=len(self.pictures_wanted),
            holes=facts.items - len(self.pictures_wanted),
            made=thumbnails.made,
            bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            notes=tuple(facts.notes),
        )
