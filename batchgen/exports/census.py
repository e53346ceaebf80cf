"""What is in an export, counted row by row: for its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from batchgen.exports.picture import Picture
from batchgen.ledger import HEAD, TAIL

# An axis with more values than this is said to have many.
MOST_VALUES = 1_000


class Axis:
    """The values of one column, each with its count, as long as there are not too many."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.values: Counter[str] = Counter()
        self.is_long = False

    def note(self, value: str) -> None:
        """Count one."""
        if self.is_long and value not in self.values:
            return
        self.values[value] += 1
        self.is_long = self.is_long or len(self.values) > MOST_VALUES


class Census:
    """Counts the rows of an export.

    Attributes:
        rows: Rows.
        images: Those of them that have an image.
        bytes: What the images come to.
        splits: Rows of each split.
        split_bytes: What the images of each split come to.
        sizes: Images of each size, as `1024 × 1024`.
        spent_usd: What the rows cost together.
        prices: How many rows cost how much.
        sources: How many of them the service billed, and how many are reckoned by the table.
        axes: The values of each parameter and variable.
        endpoints: Rows of each endpoint.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        """Know nothing yet.

        Args:
            columns: The ledger's.
        """
        self.rows = 0
        self.images = 0
        self.bytes = 0
        self.splits: Counter[str] = Counter()
        self.split_bytes: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()
        self.spent_usd = Decimal(0)
        self.prices: Counter[Decimal] = Counter()
        self.sources: Counter[str] = Counter()
        self.endpoints: Counter[str] = Counter()
        self.axes = {name: Axis() for name in columns if name not in (*HEAD, *TAIL)}

    def note(
        self,
        record: Mapping[str, str],
        *,
        split: str,
        has_image: bool,
        picture: Picture | None = None,
    ) -> None:
        """Take note of a row.

        Args:
            record: Column → cell of the ledger.
            split: The split that it is in.
            has_image: Whether there is an image.
            picture: The image as it is exported; None in a table.
        """
        self.rows += 1
        self.endpoints[record["endpoint"]] += 1
        for name, axis in self.axes.items():
            axis.note(record[name])
        cost = _amount(record["cost_usd"])
        self.spent_usd += cost
        self.prices[cost] += 1
        self.sources[record["cost_source"]] += 1
        self.splits[split] += 1
        if has_image:
            self.images += 1
            size = int(record["bytes"] or 0)
            width, height = record["width"], record["height"]
            if picture is not None and picture.resized is not None:
                size, width, height = len(picture.resized), str(picture.width), str(picture.height)
            self.bytes += size
            self.split_bytes[split] += size
            self.sizes[f"{width} × {height}"] += 1


def _amount(cell: str) -> Decimal:
    try:
        return Decimal(cell or "0")
    except InvalidOperation:
        return Decimal(0)
