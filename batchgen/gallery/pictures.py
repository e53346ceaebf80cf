"""The small pictures of a page: made once, in processes beside this one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from batchgen.gallery.item import Item
from batchgen.gallery.thumbnail import Order, Size, make_small

# So many are made in one go by a process.
AT_ONCE = 16

# With fewer than this, starting processes takes longer than making them here.
FEW = 12

# So many goes may wait for each process, so that memory does not grow with the batch.
WAITING = 4


@dataclass(slots=True, kw_only=True)
class Pictures:
    """One folder of small pictures.

    Attributes:
        folder: Where they are; below it, one folder for each first two letters of a job id.
        size: How large they are.
        made: How many were made by this call.
        kept: How many were there before.
        broken: The names of those that could not be made.
    """

    folder: Path
    size: Size
    made: int = 0
    kept: int = 0
    broken: set[str] = field(default_factory=set)

    def path(self, name: str) -> Path:
        """Return where a small picture is, or will be."""
        return self.folder / name[:2] / f"{name}.webp"

    def make(
        self, items: Iterable[Item], *, batch_folder: Path, watch: Callable[[int], None]
    ) -> None:
        """Make what is missing; what cannot be made is in `broken` afterwards.

        Args:
            items: Images that are on disk.
            batch_folder: What their files are relative to.
            watch: Told how many are there, now and then.
        """
        orders = self._missing(items, batch_folder)
        first = list(islice(orders, FEW))
        if len(first) < FEW:
            self._note(first, make_small(first), watch)
            return
        processes = max(1, os.cpu_count() or 1)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting: deque[tuple[Sequence[Order], Future[list[bool]]]] = deque()
            try:
                waiting.append((first, pool.submit(make_small, first)))
                while some := list(islice(orders, AT_ONCE)):
                    waiting.append((some, pool.submit(make_small, some)))
                    if len(waiting) > WAITING * processes:
                        self._take(waiting, watch)
                while waiting:
                    self._take(waiting, watch)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def drop_others(self, wanted: set[str]) -> None:
        """Remove the small pictures that no item has any more, and what a crash has left."""
        for path in self.folder.glob("*/*"):
            if path.suffix != ".webp" or path.stem not in wanted:
                with suppress(OSError):
                    path.unlink()

    def _take(
        self,
        waiting: deque[tuple[Sequence[Order], Future[list[bool]]]],
        watch: Callable[[int], None],
    ) -> None:
        orders, future = waiting.popleft()
        self._note(orders, future.result(), watch)

    def _note(
        self, orders: Sequence[Order], done: Sequence[bool], watch: Callable[[int], None]
    ) -> None:
        for order, is_made in zip(orders, done, strict=True):
            if is_made:
                self.made += 1
            else:
                self.broken.add(Path(order.target).stem)
        watch(self.made + self.kept + len(self.broken))

    def _missing(self, items: Iterable[Item], batch_folder: Path) -> Iterator[Order]:
        for item in items:
            path, source = self.path(item.picture), batch_folder / item["file"]
            if not source.exists():
                self.broken.add(item.picture)
                continue
            if path.exists():
                self.kept += 1
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            yield Order(source=str(source), target=str(path), size=self.size)
