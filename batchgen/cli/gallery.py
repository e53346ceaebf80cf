"""`batchgen gallery`: a page to look at the batch."""

from __future__ import annotations

import json
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchgen.cli.failure import answering
from batchgen.cli.options import jobs_dir_option, json_option
from batchgen.cli.talk import give, say
from batchgen.cli.work_line import work_line

if TYPE_CHECKING:
    from batchgen.gallery import Gallery

HELP = """Make a page to look at a batch, choose among its images, and see how it went.

\b
    batchgen gallery portraits --open     make it and open it
    batchgen gallery portraits --share    one that can be sent: without cost, ids, URLs, errors

The page is jobs/portraits/gallery/index.html. It opens from disk, without a server, and asks
nothing of the network: images laid out by any two axes, all of them with search and filters, one
large with all that is known of it, and charts of the night. What you pick and reject is kept by
the browser, and saved as picks.csv.

A page may be made while a run goes on; the next call makes it anew and only adds small pictures
for what has come since. With --share the page is gallery-share/index.html and holds every
picture itself, at most 1,600 pixels wide or high, so that the folder can be zipped and sent.

Exit codes: 0 the page is there, 2 there is no such batch, or its files cannot be trusted, 3 the
disk is full.
"""

_DOING = {
    "jobs": "{done:,} of {total:,} jobs drawn",
    "thumbs": "{done:,} of {total:,} thumbnails",
    "previews": "{done:,} of {total:,} previews",
}


@click.command("gallery", help=HELP, short_help="Make a page to look at a batch.")
@click.argument("batch")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.option("--share", is_flag=True, help="Make a page that can be sent to others.")
@json_option
@jobs_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    batch: str,
    opens: bool,
    share: bool,
    as_json: bool,
    jobs_dir: Path,
) -> None:
    """Make a page; the help says which."""
    ctx.exit(_make(as_json=as_json, reference=batch, opens=opens, share=share, jobs_dir=jobs_dir))


@answering
def _make(*, as_json: bool, reference: str, opens: bool, share: bool, jobs_dir: Path) -> int:
    from batchgen.batch import find_batch  # noqa: PLC0415 - slow to import, like the other
    from batchgen.gallery import make_gallery  # noqa: PLC0415

    batch = find_batch(reference, jobs_dir=jobs_dir)
    with work_line(batch.name, _DOING) as watch:
        made = make_gallery(batch, share=share, now=datetime.now(UTC).astimezone(), watch=watch)
    _say(made)
    give(json.dumps(_as_json(made), ensure_ascii=False, indent=1) if as_json else str(made.page))
    if opens and not webbrowser.open(made.page.as_uri()):
        say(f"There is no browser to open it with. Open {made.page} in one.")
    return 0


def _say(made: Gallery) -> None:
    """Say what the page shows and what it takes, for a person."""
    holes = f", {made.holes:,} without one and why" if made.holes else ""
    size = f"{made.bytes / 1e6:,.1f} MB"
    say(f"{made.batch}: {made.images:,} images{holes}; the page takes {size}.")
    if made.simulated:
        say("  (simulated: drawn stand-ins, nothing was paid)")
    for note in made.notes:
        say(f"  {note}")
    if made.share:
        say("  Costs, request ids, URLs and error texts are not in it. Zip the folder and send it:")
        say(f"  {made.folder}")


def _as_json(made: Gallery) -> dict[str, object]:
    return {
        "batch": made.batch,
        "folder": str(made.folder),
        "page": str(made.page),
        "simulated": made.simulated,
        "share": made.share,
        "images": made.images,
        "holes": made.holes,
        "thumbnails_made": made.made,
        "bytes": made.bytes,
        "notes": list(made.notes),
        "exit_code": 0,
    }
