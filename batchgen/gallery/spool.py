"""Items on disk between two looks at them, so that memory does not grow with a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from batchgen.gallery.item import Header, Item, Status


class Spool(AbstractContextManager["Spool"]):
    """Items in a file without a name, which is gone when the context ends.

    Attributes:
        count: How many there are.
        broken: Names of pictures that are not to be had: their items come out as missing.
    """

    def __init__(self, header: Header) -> None:
        self.count = 0
        self.broken: set[str] = set()
        self._header = header

    def __enter__(self) -> Self:
        self._file: IO[bytes] = TemporaryFile()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, item: Item) -> None:
        """Put an item behind the others."""
        self._file.write(json.dumps([item.status, *item.cells]).encode() + b"\n")
        self.count += 1

    def items(self) -> Iterator[Item]:
        """Yield the items in order."""
        self._file.seek(0)
        for line in self._file:
            status, *cells = json.loads(line)
            item = Item(header=self._header, cells=cells, status=Status(status))
            if item.has_picture and item.picture in self.broken:
                item = replace(item, status=Status.MISSING)
            yield item
