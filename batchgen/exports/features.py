"""The types of an export's columns in the words of Hugging Face `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from batchgen.exports.columns import Column, Kind

# A column and its type; a list of both where its values have parts.
Feature: TypeAlias = "tuple[str, str | Sequence[Feature]]"

IMAGE: Feature = ("image", "image")

DTYPES = {
    Kind.TEXT: "string",
    Kind.INTEGER: "int64",
    Kind.DECIMAL: "float64",
    Kind.SWITCH: "bool",
    Kind.TIME: "timestamp[ms, tz=UTC]",
}


def features_of(columns: Sequence[Column]) -> list[Feature]:
    """Return each column's name and type, in order."""
    return [(column.name, DTYPES[column.kind]) for column in columns]
