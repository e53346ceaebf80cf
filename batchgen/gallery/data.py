"""The data of a page, in pieces that it loads one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.gallery.axes import Axis
from batchgen.gallery.item import Item
from batchgen.gallery.script import call
from batchgen.job import Json

# Items in one piece of what is filtered and laid out, and in one of what is read image by image.
PIECE = 500
DETAIL_PIECE = 250

# Columns of the ledger that the details have under these names, and those that nobody else sees.
PUBLIC = ("content_type", "bytes", "sha256", "attempts", "finished_at", "inference_s")
PRIVATE = (*("request_id", "url", "file", "cost_usd", "cost_source", "error", "submitted_at"),)


@dataclass(slots=True, kw_only=True)
class Kinds:
    """Statuses and classes of failures, each with its number from 0."""

    codes: dict[tuple[str, str], int] = field(default_factory=dict)

    def code(self, item: Item) -> int:
        """Return the number of an item's kind."""
        return self.codes.setdefault(item.kind, len(self.codes))

    def as_json(self) -> list[Json]:
        """Return them as the page reads them."""
        return [{"status": status, "type": error_type} for status, error_type in self.codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Writes the pieces of one page.

    Attributes:
        folder: Where they go.
        axes: What items are laid out and filtered by.
        kinds: Grows with the kinds that are met.
        share: Whether what nobody else may see is left out.
        snippet: Returns the manifest that makes one job again, or `""`.
    """

    folder: Path
    axes: Sequence[Axis]
    kinds: Kinds
    share: bool
    snippet: Callable[[Item], str]

    def write(self, items: Iterable[Item]) -> int:
        """Write all pieces and return how many items they hold."""
        count = 0
        piece: list[Item] = []
        for item in items:
            piece.append(item)
            if len(piece) == PIECE:
                self._write_piece(piece, first=count)
                count += len(piece)
                piece.clear()
        if piece:
            self._write_piece(piece, first=count)
        return count + len(piece)

    def _write_piece(self, items: Sequence[Item], *, first: int) -> None:
        prompts: dict[str, int] = {}
        piece: dict[str, Json] = {
            "id": [item["job_id"] for item in items],
            "image": [int(item["image_index"] or -1) for item in items],
            "kind": [self.kinds.code(item) for item in items],
            "seed": [item["seed"] for item in items],
            "prompt": [prompts.setdefault(item["prompt"], len(prompts)) for item in items],
            "prompts": list(prompts),
            "digest": [item["sha256"][:8] if item.has_picture else "" for item in items],
            "width": [int(item["width"] or 0) for item in items],
            "height": [int(item["height"] or 0) for item in items],
            "axes": [[axis.codes[item[axis.column]] for item in items] for axis in self.axes],
        }
        if not self.share:
            piece["file"] = [item["file"] if item.has_picture else "" for item in items]
        self._write(f"page-{first // PIECE}.js", call("page", first, piece))
        for offset in range(0, len(items), DETAIL_PIECE):
            place = first + offset
            details: list[Json] = [
                self._detail(item) for item in items[offset : offset + DETAIL_PIECE]
            ]
            name = f"detail-{place // DETAIL_PIECE}.js"
            self._write(name, call("detail", place, details))

    def _detail(self, item: Item) -> Json:
        shown = PUBLIC if self.share else (*PUBLIC, *PRIVATE)
        detail: dict[str, Json] = {name: item[name] for name in shown if item[name]}
        values = dict(self._values(item))
        if values:
            detail["values"] = values
        if snippet := self.snippet(item):
            detail["snippet"] = snippet
        return detail

    def _values(self, item: Item) -> Iterator[tuple[str, Json]]:
        known = {axis.column for axis in self.axes}
        for name in (*item.header.variables, *item.header.parameters, "endpoint", "repeat"):
            if name not in known and item[name]:
                yield name, item[name]

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="ascii")
