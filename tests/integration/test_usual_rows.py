"""Rows that are counted without being taken apart come to what they come to cell by cell."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.jobs import make_job
from support.record_files import EXPIRED, MISSING, NOT_DOWNLOADED, UNDELIVERED, Files, Story

from batchgen.attempt import JOURNAL_FIRST_CELL
from batchgen.csv_file import RowReader, format_row
from batchgen.errors import LedgerError
from batchgen.job import Job, Json, number_of
from batchgen.ledger import LEDGER_FIRST_CELL, Columns
from batchgen.outcome import Completed
from batchgen.record import Record
from batchgen.replay import replay
from batchgen.state import AttemptState

SUBMITTING, REFUSED, SUBMITTED, COMPLETED, FAILED, UNKNOWN, CANCELLED = AttemptState

PROMPTS = [
    "a fox",
    'a "fox", in a {{ wood }}',
    'two\nlines, "images":7,"service":{},"account":"x","since_failed":9}',
    "eine Füchsin, 狐, 🦊",
    '{"images":[{"url":"no"}],"_answer":{"cost_source":"billed"}}',
]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, columns=Columns(parameters=("resolution",), variables=("animal",)))


def some_jobs() -> list[Job]:
    """Return jobs whose texts hold all that a row may stumble over."""
    return [
        make_job(
            number * 0x9E3779B97F4A7C15 % 2**64,
            prompt=PROMPTS[number % len(PROMPTS)],
            images=2 if number % 7 == 0 else 1,
            variables={"animal": PROMPTS[number % 3]},
            resolution="2K",
        )
        for number in range(1, 13)
    ]


async def live(story: Story, job: Job, dice: random.Random) -> None:
    """Let one thing happen to a job that may happen to it."""
    standing = story.own(job)
    match standing.state:
        case AttemptState.SUBMITTING:
            await dice.choices([story.submitted, story.refused, story.unknown], [8, 1, 1])[0](job)
        case AttemptState.UNKNOWN:
            await dice.choice([story.submitted, story.refused])(job)
        case AttemptState.SUBMITTED:
            ending = dice.choices(["result", "billed", "failed", "cancelled"], [6, 2, 1, 1])[0]
            match ending:
                case "result":
                    await story.completed(job)
                case "billed":
                    await story.completed(job, units="1.5")
                case "failed":
                    await story.failed(job)
                case _:
                    await story.cancelled(job)
        case AttemptState.COMPLETED if standing.lacks_rows:
            index = next(i for i in range(standing.expected) if standing.mark(i) is None)
            made = [None, None, None, NOT_DOWNLOADED, UNDELIVERED, EXPIRED, MISSING]
            await story.image(job, index, image=dice.choice(made))
        case AttemptState.COMPLETED if dice.random() < 0.5:
            if standing.has_only_expired:
                await story.submitting(job)
        case AttemptState.COMPLETED:
            pass
        case AttemptState.FAILED if not standing.is_closed and dice.random() < 0.5:
            await story.closed(job)
        case _:
            await story.submitting(job)


async def tell(files: Files, *, seed: int) -> None:
    """Write the files of an evening in which all sorts of things happen side by side."""
    dice = random.Random(seed)
    jobs = some_jobs()
    with files.open() as story:
        for _ in range(dice.randrange(20, 120)):
            job = dice.choice(jobs)
            standing = story.own(job)
            waits = standing.state is COMPLETED and any(
                mark.status == "undelivered" for _, mark in standing.rows.images
            )
            if not waits:
                await live(story, job, dice)


def rewrite(path: Path, first_cell: Any) -> dict[int, int]:
    """Put every cell but the first in quotes; return where each row was → where it is."""
    reader = RowReader(path, first_cell=first_cell)
    moved = {0: 0}
    lines = [format_row(reader.columns)]
    end = len(lines[0].encode())
    for row in reader:
        first, *rest = row.cells
        quoted = [f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in rest]
        line = ",".join([first, *quoted]) + "\n"
        moved[row.start] = end
        end += len(line.encode())
        lines.append(line)
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return moved


def shown(record: Record, moved: dict[int, int] | None = None) -> dict[int, Any]:
    """Return all that is known of each job, its rows' places translated."""
    moved = moved or {}
    found = {}
    for number in record.jobs:
        one = record.peek(number)
        started, last = moved.get(one.started, one.started), moved.get(one.last, one.last)
        found[number] = replace(one, started=started, last=last)
    return found


@pytest.mark.parametrize("download", [True, False], ids=["with downloads", "without"])
@pytest.mark.parametrize("seed", range(25))
async def test_they_come_to_the_same_as_cell_by_cell(
    files: Files, seed: int, *, download: bool
) -> None:
    await tell(files, seed=seed)
    quickly = replay(files.journal, files.ledger, download=download)

    moved = rewrite(files.journal, JOURNAL_FIRST_CELL)
    rewrite(files.ledger, LEDGER_FIRST_CELL)
    slowly = replay(files.journal, files.ledger, download=download)

    assert shown(quickly, moved) == shown(slowly)
    assert quickly.bill == slowly.bill
    assert quickly.billed_usd == slowly.billed_usd
    assert quickly.submitted == slowly.submitted
    assert quickly.superseded == slowly.superseded
    assert (quickly.first_at, quickly.last_at) == (slowly.first_at, slowly.last_at)
    assert set(quickly.unfinished()) == set(slowly.unfinished())


async def finish(files: Files) -> None:
    with files.open() as story:
        for job in some_jobs():
            await story.succeeded(job)


DAMAGES = [
    pytest.param("requests.csv", b'""prompt"":', b'""prompt":', id="a quote is gone"),
    pytest.param("requests.csv", b'""prompt"":', b'""prompt""":', id="a quote too many"),
    pytest.param("requests.csv", b"birch", b"bir\0ch", id="a zero byte"),
    pytest.param("requests.csv", b"birch", b"bir\xffch", id="bytes that are no text"),
    pytest.param("requests.csv", b",submitted,", b",submitted,,", id="a cell too many"),
    pytest.param("requests.csv", b"submitted,request-", b"submitted,req\ruest-", id="a lone CR"),
    pytest.param("requests.csv", b",1,submitted,", b",2,submitted,", id="another attempt"),
    pytest.param("requests.csv", b",1,completed,", b",1,submitting,", id="another state"),
    pytest.param("ledger.csv", b",0,succeeded,", b",0,succeeded", id="a cell too few"),
    pytest.param("ledger.csv", b",0,succeeded,", b",x,succeeded,", id="an index that is none"),
    pytest.param("ledger.csv", b",0,succeeded,", b",0,succeeded,\xff", id="no text in the ledger"),
]


@pytest.mark.parametrize(("name", "old", "new"), DAMAGES)
async def test_a_row_that_is_not_whole_is_refused_among_thousands(
    files: Files, name: str, old: bytes, new: bytes
) -> None:
    with files.open() as story:
        for number in range(1, 30):
            await story.succeeded(make_job(number, prompt='in a "birch" wood', resolution="2K"))
    path = files.folder / name
    content = path.read_bytes()
    middle = content.index(old, len(content) // 2)
    path.write_bytes(content[:middle] + new + content[middle + len(old) :])

    with pytest.raises(LedgerError, match=name.replace(".", r"\.")):
        files.replay()


BRACES = ["a}{b", "a},{b", "a},{", "}{", '"},{"url":"b"}', "{", "}"]


@pytest.mark.parametrize("first", [0, 1], ids=["before two images", "after two images"])
@pytest.mark.parametrize("text", BRACES)
async def test_braces_in_what_the_service_says_of_an_image_make_no_second_one(
    files: Files, text: str, first: int
) -> None:
    image: Json = {"url": "https://example.test/a.png", "file_name": text}
    results: list[list[Json]] = [[image], [{"url": f"https://example.test/{n}"} for n in "bc"]]
    with files.open() as story:
        for number in (first, 1 - first):
            job = make_job(number)
            await story.open(job)
            await story.records.completed(
                job,
                story.own(job),
                story.request(job),
                Completed(output={"images": results[number]}),
            )

    assert [files.standing(make_job(number)).expected for number in (0, 1)] == [1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b'{""endpoint', id="an intent"),
        pytest.param(b"https://example.test/", id="a result"),
    ],
)
async def test_a_detail_that_is_no_json_changes_nothing_for_other_jobs(
    files: Files, damage: bytes
) -> None:
    jobs = [make_job(number, images=2) for number in range(1, 4)]
    with files.open() as story:
        for job in jobs:
            await story.open(job)
            await story.completed(job, units="2")
    others = {number_of(job.job_id) for job in jobs[1:]}
    whole = shown(files.replay())

    content = files.journal.read_bytes()
    files.journal.write_bytes(content.replace(damage, damage[:3] + b"\\q" + damage[3:], 1))
    found = shown(files.replay())

    begins = {number: replace(found[number], started=0, last=0) for number in others}
    assert begins == {number: replace(whole[number], started=0, last=0) for number in others}


async def test_what_waits_for_its_images_is_found_again(files: Files) -> None:
    job = make_job(1)
    with files.open(download=False) as story:
        await story.open(job)
        await story.completed(job)
        await story.image(job, image=NOT_DOWNLOADED)

    with files.open() as story:
        record = story.records.record
        number = number_of(job.job_id)
        assert record.jobs[number].is_shared
        assert list(record.unfinished()) == [number]
        own = record.own(number)

        assert story.records.entry_at(own.started).state is SUBMITTING
        assert story.records.entry_at(own.last).state is COMPLETED
        assert own.at == story.records.entry_at(own.last).at
        assert own.submitted_at < own.at
        assert not record.places
