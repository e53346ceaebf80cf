"""Rows as Parquet: columns with types, in row groups that are written one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.exports.columns import Column, Kind, Row, Value
from batchgen.exports.features import DTYPES, IMAGE

# A table without images is written in groups of so many rows.
ROWS_IN_GROUP = 10_000

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.DECIMAL: pa.float64(),
    Kind.SWITCH: pa.bool_(),
    Kind.TIME: pa.timestamp("ms", tz="UTC"),
}
_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema_of(columns: tuple[Column, ...], *, with_image: bool) -> pa.Schema:
    """Return the types of a table's columns.

    Args:
        columns: The columns.
        with_image: Whether a first column holds the images themselves. Then the schema says so
            in the words of `datasets`, which decodes them.

    Source:
        `datasets.Features.arrow_schema`.
    """
    fields = [(column.name, _TYPES[column.kind]) for column in columns]
    if not with_image:
        return pa.schema(fields)
    features = {
        IMAGE[0]: {"_type": "Image"},
        **{column.name: {"dtype": DTYPES[column.kind], "_type": "Value"} for column in columns},
    }
    told = json.dumps({"info": {"features": features}})
    return pa.schema([(IMAGE[0], _IMAGE_TYPE), *fields], metadata={"huggingface": told})


class ParquetFile:
    """One Parquet file; rows wait in memory until a group of them is whole."""

    def __init__(self, path: Path, schema: pa.Schema, *, times: frozenset[str]) -> None:
        """Create the file.

        Args:
            path: The file.
            schema: Its columns.
            times: The columns that hold times.
        """
        self._schema = schema
        self._times = times
        self._rows: list[Mapping[str, object]] = []
        self._writer = pq.ParquetWriter(path, schema, compression=_compression(schema))

    def add(self, row: Row, **more: object) -> None:
        """Add one row, and what it has besides its columns."""
        timed = {name: _moment(row[name]) for name in self._times}
        self._rows.append({**more, **row, **timed})
        if len(self._rows) >= ROWS_IN_GROUP:
            self.end_group()

    def end_group(self) -> None:
        """Write the rows that wait, as one group."""
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()

    def close(self) -> None:
        """Write the rest, and finish the file."""
        self.end_group()
        self._writer.close()


def make_parquet(path: Path, columns: tuple[Column, ...]) -> ParquetFile:
    """Create a table without images."""
    return ParquetFile(path, schema_of(columns, with_image=False), times=times_of(columns))


def times_of(columns: tuple[Column, ...]) -> frozenset[str]:
    """Return the columns that hold times."""
    return frozenset(column.name for column in columns if column.kind is Kind.TIME)


def _compression(schema: pa.Schema) -> dict[str, str]:
    """Return how each column is compressed; images are, in themselves."""
    kinds: dict[str, str] = {}
    for field in schema:
        if field.type == _IMAGE_TYPE:
            kinds |= {f"{field.name}.bytes": "none", f"{field.name}.path": "zstd"}
        else:
            kinds[field.name] = "zstd"
    return kinds


def _moment(value: Value) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None
