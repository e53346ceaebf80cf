"""What verify finds, and what it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.jobs import make_job

from batchgen.cli.verify_text import as_document, describe
from batchgen.lock import Holder
from batchgen.verifying import Finding, Kind, Verification
from batchgen.verifying.files import Names
from batchgen.verifying.finding import MOST_SHOWN

NOTES = {
    Kind.UNJOURNALLED,
    Kind.DUPLICATE_ROW,
    Kind.COLUMNS,
    Kind.SUPERSEDED_ROW,
    Kind.LEFT_OVER,
}


def verification(**counts: int) -> Verification:
    """Return what was found: so many findings of these kinds."""
    found = Verification(batch="zoo", folder=Path("/srv/data/jobs/zoo"))
    for name, count in counts.items():
        for number in range(count):
            found.add(Finding(kind=Kind[name.upper()], text=f"{name} {number}"))
    return found


def command(verb: str, *options: str) -> str:
    return " ".join(("batchgen", verb, "zoo", *options))


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind.key for kind in Kind}) == len(Kind)
    assert all(kind.key == kind.name.lower() for kind in Kind)


@pytest.mark.parametrize("kind", Kind)
def test_notes_are_no_findings(kind: Kind) -> None:
    found = verification(**{kind.name: 1})

    assert kind.is_note is (kind in NOTES)
    assert found.exit_code == (0 if kind in NOTES else 1)
    assert found.reason == ("" if kind in NOTES else f"1 {kind.key}")


@pytest.mark.parametrize(
    ("count", "label"),
    [
        pytest.param(1, "1 file is missing", id="one"),
        pytest.param(1234, "1,234 files are missing", id="several"),
    ],
)
def test_findings_are_told_with_their_number(count: int, label: str) -> None:
    assert Kind.MISSING_FILE.label(count) == label
    assert Kind.LEDGER_LOST.label(count) == "ledger.csv is lost"


def test_only_the_first_findings_of_a_kind_are_kept() -> None:
    found = verification(orphan_file=MOST_SHOWN + 5)

    group = found.groups[Kind.ORPHAN_FILE]
    assert (group.count, len(group.shown)) == (MOST_SHOWN + 5, MOST_SHOWN)
    assert group.shown[0].text == "orphan_file 0"


@pytest.mark.parametrize(
    ("before", "after", "left", "code"),
    [
        pytest.param({"torn_tail": 1}, {}, {}, 0, id="all of it mended"),
        pytest.param(
            {"changed_row": 3}, {"changed_row": 1}, {"changed_row": 1}, 1, id="some of it"
        ),
        pytest.param({"orphan_file": 2}, {"orphan_file": 2}, {"orphan_file": 2}, 1, id="nothing"),
        pytest.param(
            {"missing_file": 2}, {"undelivered": 2}, {"undelivered": 2}, 1, id="in another way"
        ),
        pytest.param(
            {"missing_file": 2, "undelivered": 1},
            {"undelivered": 3},
            {"undelivered": 3},
            1,
            id="added to what was so before",
        ),
        pytest.param({"left_over": 2}, {}, {}, 0, id="notes too"),
    ],
)
def test_what_is_left_after_mending_is_what_another_look_finds(
    before: dict[str, int], after: dict[str, int], left: dict[str, int], code: int
) -> None:
    found = verification(**before)

    found.mended(verification(**after))

    assert {kind.key: group.left for kind, group in found.groups.items() if group.left} == left
    assert found.exit_code == code
    assert found.mending


@pytest.mark.parametrize(
    ("kind", "has_books"),
    [
        pytest.param("journal_lost", False, id="no journal"),
        pytest.param("ledger_resaved", False, id="no ledger"),
        pytest.param("torn_tail", True, id="a torn tail is not read"),
        pytest.param("history_broken", True, id="the history is no part of the books"),
    ],
)
def test_the_books_are_compared_where_both_can_be_read(kind: str, has_books: bool) -> None:
    assert verification(**{kind: 1}).has_books is has_books


@pytest.mark.parametrize(
    ("file", "known"),
    [
        pytest.param("images/a/fox.png", True, id="the file of a row"),
        pytest.param("images/a/fox.jpg", False, id="another extension"),
        pytest.param("images/é.png", True, id="composed"),
        pytest.param("images/e\u0301.png", True, id="as some systems give it back"),
        pytest.param("images/kk/kkkkkkkkkkkkkkkl-0.png", True, id="an image that is to come"),
        pytest.param("images/kk/kkkkkkkkkkkkkkkl-1.webp", True, id="whatever its kind"),
        pytest.param("images/kk/kkkkkkkkkkkkkkkl.jpg", True, id="and without a number"),
        pytest.param("images/kk/kkkkkkkkkkkkkkkl-2.png", False, id="one more than it can have"),
        pytest.param("images/kk/kkkkkkkkkkkkkkkm-0.png", False, id="of another job"),
    ],
)
def test_something_stands_for_the_files_of_rows_and_of_open_jobs(file: str, known: bool) -> None:
    names = Names()
    names.add("images/a/fox.png")
    names.add("images/é.png")
    names.expect(make_job(1), 2)

    assert names.has(file) is known


def test_what_comes_next_depends_on_what_is_left() -> None:
    def told(found: Verification) -> object:
        return as_document(found, command=command)["next"]

    mended = verification(missing_file=1)
    mended.mended(verification(undelivered=1))
    running = verification(undelivered=1)
    running.is_running = True

    assert told(verification()) == []
    assert told(verification(orphan_file=1)) == []
    assert told(verification(missing_file=1)) == ["batchgen verify zoo --repair"]
    assert told(verification(undelivered=1)) == ["batchgen resume zoo"]
    assert told(mended) == ["batchgen resume zoo"]
    assert told(running) == []
    assert told(verification(journal_lost=1, missing_file=1)) == [
        "batchgen resume zoo --on-unknown resubmit"
    ]
    assert told(verification(journal_broken=1, missing_file=1)) == []


def test_few_of_many_findings_are_shown_to_a_person() -> None:
    said = describe(verification(missing_file=7, left_over=1), command=command)

    assert "7 files are missing\n  missing_file 0\n" in said
    assert "  missing_file 4\n  … and 2 more\n" in said
    assert "missing_file 5" not in said
    assert "note: 1 file is left over by a crash" in said


def test_who_runs_a_batch_is_told() -> None:
    found = verification()
    found.is_running = True
    found.holder = Holder(host="studio-2", pid=4711, started_at="2026-11-22T21:30:00.000Z")

    assert "running          process 4711 on studio-2 since" in describe(found, command=command)
    found.holder = None
    assert "running          another process" in describe(found, command=command)
