"""Exports: a batch as a data set that other programs load."""

from batchgen.exports.columns import Copy, parse_copy
from batchgen.exports.export import export_batch
from batchgen.exports.exported import Exported
from batchgen.exports.formats import FORMATS
from batchgen.exports.likeness import parse_dedup
from batchgen.exports.options import METADATA, ExportOptions
from batchgen.exports.picture import parse_resize
from batchgen.exports.selection import ALL, STATUSES, parse_statuses
from batchgen.exports.shards import parse_size
from batchgen.exports.splits import parse_splits

__all__ = [
    "ALL",
    "FORMATS",
    "METADATA",
    "STATUSES",
    "Copy",
    "ExportOptions",
    "Exported",
    "export_batch",
    "parse_copy",
    "parse_dedup",
    "parse_resize",
    "parse_size",
    "parse_splits",
    "parse_statuses",
]
