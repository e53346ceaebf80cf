"""`batchgen export`: a batch as a data set."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchgen.cli.export_options import export_options
from batchgen.cli.failure import answering
from batchgen.cli.next_command import next_command
from batchgen.cli.options import jobs_dir_option, json_option
from batchgen.cli.talk import give, say
from batchgen.cli.work_line import work_line

if TYPE_CHECKING:
    from batchgen.exports import Exported, ExportOptions

HELP = """Write the batch as a data set that other programs load.

\b
    batchgen export portraits --to imagefolder --out portraits
    batchgen export portraits --to imagefolder --out portraits \\
        --split train=0.9,test=0.1 --column text=prompt --dedup near --drop-blank
    batchgen export portraits --to captions --out lora --where style=woodcut \\
        --caption "{{ animal.name }}, woodcut" --resize 1024
    batchgen export portraits --to csv --out table --status all

\b
imagefolder   images in folders and a metadata file: datasets.load_dataset("portraits")
parquet       images and columns in one table, the same for load_dataset
webdataset    shards of images (tar), for training that streams
captions      each image with its text beside it, as trainers of LoRAs take it
files         just the images, by the names that they have, or by --name
csv, xlsx     the table alone; in xlsx, ratios and ids stay text

Every column of ledger.csv goes along, and beside them what the images show: blank, duplicate_of,
near_duplicate_of, near_distance, phash. README.md says what is in it: axes, prices, what was left
out, and what is missing (missing.csv lists it). Takes of one combination are never in two splits.

The export is made in a hidden folder beside DIR and renamed when it is whole; a killed one leaves
nothing at DIR, and the next call clears away the rest. An earlier export at DIR is replaced, any
other folder is refused. The batch itself is only read.

Exit codes: 0 done, 1 files of the batch are missing or damaged (batchgen verify), or --strict has
refused, 2 the command, the batch or DIR is wrong, 3 the disk is full, 4 another process is
exporting to DIR.
"""

_DOING = {
    "read": "{done:,} rows read",
    "drawn": "{done:,} jobs counted",
    "examined": "{done:,} of {total:,} images examined",
    "written": "{done:,} of {total:,} written",
}


@click.command("export", help=HELP, short_help="Write a batch as a data set.")
@click.argument("batch")
@export_options
@json_option
@jobs_dir_option
@click.pass_context
def command(
    ctx: click.Context, /, *, batch: str, as_json: bool, jobs_dir: Path, **given: Any
) -> None:
    """Export; the help says what is written."""
    ctx.exit(_export(as_json=as_json, reference=batch, jobs_dir=jobs_dir, given=given))


@answering
def _export(*, as_json: bool, reference: str, jobs_dir: Path, given: dict[str, Any]) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import, like the others
    from batchgen.cli.export_text import describe  # noqa: PLC0415
    from batchgen.exports import export_batch  # noqa: PLC0415

    options = _options(given)
    batch = find_batch(reference, jobs_dir=jobs_dir)
    with work_line(batch.name, _DOING) as watch:
        exported = export_batch(batch, options, now=lambda: datetime.now(UTC), watch=watch)

    def write(verb: str, *more: str) -> str:
        return next_command(verb, batch.folder, *more, jobs_dir=jobs_dir)

    if as_json:
        give(json.dumps(_document(exported, batch.folder), ensure_ascii=False, indent=1))
    else:
        say(describe(exported, command=write))
    return exported.exit_code


def _options(given: dict[str, Any]) -> ExportOptions:
    from batchgen import exports  # noqa: PLC0415 - slow to import, like the next
    from batchgen.picks import read_picks  # noqa: PLC0415

    return exports.ExportOptions(
        to=given["to"],
        out=given["out"],
        metadata=given["metadata"] or "",
        where=given["where"],
        statuses=exports.parse_statuses(given["status"]),
        picks=read_picks(given["picks"]) if given["picks"] else None,
        splits=exports.parse_splits(given["split"] or ""),
        group_by=given["group_by"],
        copies=tuple(map(exports.parse_copy, given["column"])),
        caption=given["caption"] or "",
        name=given["name"] or "",
        dedup=exports.parse_dedup(given["dedup"] or ""),
        drop_blank=given["drop_blank"],
        resize=exports.parse_resize(given["resize"] or ""),
        is_linked=not given["copy"],
        is_strict=given["strict"],
        shard_images=given["shard_images"],
        shard_bytes=exports.parse_size(given["shard_bytes"]),
    )


def _document(exported: Exported, folder: Path) -> dict[str, object]:
    return {**exported.as_json(), "batch_folder": str(folder)}
