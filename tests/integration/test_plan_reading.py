"""What a plan reads beside the record: earlier images, other batches, the edited manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.plans import make_job

from batchgen.batch import Batch
from batchgen.csv_file import LAST_BYTES, format_row
from batchgen.job import number_of
from batchgen.launch import Selection
from batchgen.ledger import Columns, LedgerRow
from batchgen.manifest import Manifest, load_manifest
from batchgen.planning import make_plan
from batchgen.planning.changes import changed_keys, is_edited
from batchgen.planning.disk import free_bytes
from batchgen.planning.neighbours import Neighbour, find_neighbours
from batchgen.planning.past import Past, look_back
from batchgen.settings import RunSettings

COLUMNS = Columns(variables=("animal",))


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> None:
    lines = [format_row(COLUMNS.header), *(format_row(row.cells(COLUMNS)) for row in rows)]
    path.write_text("".join(lines), encoding="utf-8", newline="")


def saved(name: str, *, minute: float, size: int = 1_000_000, **changes: Any) -> LedgerRow:
    """Return the row of an image that was saved so many minutes after 20:00."""
    whole = int(minute)
    time = f"{20 + whole // 60:02d}:{whole % 60:02d}:{(minute - whole) * 60:06.3f}"
    given: dict[str, Any] = {
        "job": make_job(name),
        "status": "succeeded",
        "image_index": 0,
        "file": "images/x.png",
        "bytes": size,
        "finished_at": f"2026-11-22T{time}Z",
        **changes,
    }
    return LedgerRow(**given)


# -- past images ---------------------------------------------------------------------------


def test_the_last_run_tells_how_fast_images_come(tmp_path: Path) -> None:
    first_evening = [saved(f"a{number}", minute=number) for number in range(60)]
    second_evening = [saved(f"b{number}", minute=90 + number / 4) for number in range(41)]
    write_ledger(tmp_path / "ledger.csv", first_evening + second_evening)

    past = look_back(tmp_path / "ledger.csv", columns=COLUMNS.header)

    assert past.per_minute == pytest.approx(4.0)


def test_a_few_images_say_how_large_they_are_and_not_how_fast(tmp_path: Path) -> None:
    rows = [saved("a", minute=0, size=2_000_000), saved("b", minute=1, size=4_000_000)]
    write_ledger(tmp_path / "ledger.csv", rows)

    past = look_back(tmp_path / "ledger.csv", columns=COLUMNS.header)

    assert past == Past(image_bytes=3_000_000, per_minute=None)


def test_rows_without_an_image_say_nothing(tmp_path: Path) -> None:
    rows = [saved(str(number), minute=number, bytes=None, file="") for number in range(20)]
    write_ledger(tmp_path / "ledger.csv", rows)

    assert look_back(tmp_path / "ledger.csv", columns=COLUMNS.header) == Past()


def test_only_the_end_of_a_long_ledger_is_read(tmp_path: Path) -> None:
    long = "x" * 20_000
    old = [saved(f"{long}{number}", minute=0, size=9) for number in range(200)]
    new = [saved(f"b{number}", minute=number, size=1000) for number in range(100)]
    write_ledger(tmp_path / "ledger.csv", old + new)
    assert (tmp_path / "ledger.csv").stat().st_size > LAST_BYTES

    past = look_back(tmp_path / "ledger.csv", columns=COLUMNS.header)

    assert past.image_bytes is not None
    assert past.image_bytes > 450, "half of the old ones at most"


def test_a_torn_tail_and_prompts_of_many_lines_are_understood(tmp_path: Path) -> None:
    rows = [saved(f'a,\nb "{number}"\n', minute=number) for number in range(20)]
    write_ledger(tmp_path / "ledger.csv", rows)
    whole = look_back(tmp_path / "ledger.csv", columns=COLUMNS.header)
    with (tmp_path / "ledger.csv").open("ab") as file:
        file.write((tmp_path / "ledger.csv").read_bytes()[-200:-20])

    assert look_back(tmp_path / "ledger.csv", columns=COLUMNS.header) == whole
    assert whole.per_minute == pytest.approx(1.0)


def test_a_ledger_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert look_back(tmp_path / "ledger.csv", columns=()) == Past()


def test_free_space_is_that_of_the_disk_a_folder_will_be_on(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there" / "yet") > 0


# -- neighbours ----------------------------------------------------------------------------


def make_batch(folder: Path, rows: Iterable[LedgerRow], *, simulated: bool = False) -> None:
    folder.mkdir(parents=True)
    (folder / "batch.json").write_text(json.dumps({"simulated": simulated}))
    write_ledger(folder / "ledger.csv", rows)


def neighbours(jobs: Path, *names: str) -> tuple[Neighbour, ...]:
    wanted = {number_of(make_job(name).job_id) for name in names}
    return find_neighbours(jobs / "new", wanted=wanted.__contains__)


def test_jobs_that_another_batch_has_paid_for_are_counted(tmp_path: Path) -> None:
    make_batch(tmp_path / "old", [saved(name, minute=0) for name in ("fox", "owl", "cat")])
    make_batch(tmp_path / "other", [saved("fox", minute=0)])
    make_batch(tmp_path / "new", [saved("fox", minute=0)])

    assert neighbours(tmp_path, "fox", "owl", "hen") == (
        Neighbour(folder=tmp_path / "old", jobs=2),
        Neighbour(folder=tmp_path / "other", jobs=1),
    )


def test_an_image_that_is_paid_and_not_fetched_counts_too(tmp_path: Path) -> None:
    make_batch(tmp_path / "old", [saved("fox", minute=0, status="undelivered", bytes=None)])

    assert neighbours(tmp_path, "fox") == (Neighbour(folder=tmp_path / "old", jobs=1),)


def test_a_request_that_is_open_there_counts_too(tmp_path: Path) -> None:
    make_batch(tmp_path / "old", [])
    row = f"2026-11-22T20:00:00.000Z,{make_job('fox').job_id},1,submitted,r,,,,,\n"
    (tmp_path / "old" / "requests.csv").write_text(f"at,job_id\n{row}")

    assert neighbours(tmp_path, "fox") == (Neighbour(folder=tmp_path / "old", jobs=1),)


def test_what_failed_there_what_is_simulated_and_what_is_no_batch_counts_for_nothing(
    tmp_path: Path,
) -> None:
    make_batch(tmp_path / "failed", [saved("fox", minute=0, status="failed", image_index=None)])
    make_batch(tmp_path / "simulated", [saved("fox", minute=0)], simulated=True)
    (tmp_path / "notes").mkdir()
    write_ledger(tmp_path / "notes" / "ledger.csv", [saved("fox", minute=0)])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "batch.json").write_text("{")
    write_ledger(tmp_path / "broken" / "ledger.csv", [saved("fox", minute=0)])

    assert neighbours(tmp_path, "fox") == ()


def test_a_jobs_folder_that_is_not_there_has_no_neighbours(tmp_path: Path) -> None:
    assert neighbours(tmp_path / "jobs", "fox") == ()


# -- an edited manifest --------------------------------------------------------------------

BEFORE = """\
prompt: a {{ animal }} in {{ home }}
grid: {animal: [fox, owl], home: [barn, wood]}
run: {budget_usd: 5}
"""


def write(path: Path, text: str) -> Manifest:
    path.write_text(text, encoding="utf-8")
    return load_manifest(path)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        pytest.param("a {{ animal }}", "the {{ animal }}", ("prompt",), id="the prompt"),
        pytest.param("[barn, wood]", "[barn, sea]", ("grid.home",), id="an axis"),
        pytest.param(
            "animal: [fox, owl]", "animal: [fox]", ("grid.animal",), id="a value less of an axis"
        ),
        pytest.param("budget_usd: 5", "budget_usd: 6", ("run.budget_usd",), id="an option"),
        pytest.param("grid:", "repeat: 2\ngrid:", ("repeat",), id="a key more"),
        pytest.param("grid:", "# animals\ngrid:", (), id="a comment"),
        pytest.param("grid:", "x-note: 1\ngrid:", (), id="a key that is ignored"),
        pytest.param(
            "prompt: a {{ animal }} in {{ home }}\ngrid: {animal: [fox, owl], home: [barn, wood]}",
            "grid: {home: [barn, wood], animal: [fox, owl]}\nprompt: a {{ animal }} in {{ home }}",
            (),
            id="another order",
        ),
    ],
)
def test_what_was_edited_is_named_by_its_key(
    tmp_path: Path, old: str, new: str, keys: tuple[str, ...]
) -> None:
    before = write(tmp_path / "before.yaml", BEFORE)
    after = write(tmp_path / "after.yaml", BEFORE.replace(old, new))

    assert changed_keys(before, after) == keys


def test_a_file_that_the_manifest_names_is_compared_by_its_content(tmp_path: Path) -> None:
    text = "prompt: a {{ animal }}\nrows: animals.csv\n"
    (tmp_path / "animals.csv").write_text("animal\nfox\n")
    manifest = write(tmp_path / "m.yaml", text)
    batch = Batch(tmp_path / "jobs" / "m")
    batch.create(simulated=False)
    batch.freeze(manifest, sample="")

    assert not is_edited(batch, load_manifest(tmp_path / "m.yaml"))
    (tmp_path / "animals.csv").write_text("animal\nfox\nowl\n")
    edited = load_manifest(tmp_path / "m.yaml")
    assert is_edited(batch, edited)
    assert changed_keys(batch.load_frozen(), edited) == ("animals.csv",)


def test_a_csv_manifest_is_compared_as_a_whole(tmp_path: Path) -> None:
    before = write(tmp_path / "before.csv", "prompt\na fox\n")
    after = write(tmp_path / "after.csv", "prompt\na fox\nan owl\n")

    assert changed_keys(before, after) == ("after.csv",)


def test_a_mapping_is_compared_by_its_keys() -> None:
    before = load_manifest({"batch": "a", "prompt": "a fox"})
    after = load_manifest({"batch": "a", "prompt": "an owl"})

    assert changed_keys(before, after) == ("prompt",)


# -- a plan of what was never run ------------------------------------------------------------


def plan_of(tmp_path: Path, manifest: dict[str, Any], **selected: Any) -> dict[str, Any]:
    plan = make_plan(
        Batch(tmp_path / "jobs" / "m"),
        load_manifest({"batch": "m", **manifest}),
        settings=RunSettings(),
        selection=Selection(**selected),
    )
    return plan.as_json()


def test_the_prices_of_a_plan_are_those_that_its_jobs_need(tmp_path: Path) -> None:
    found = plan_of(
        tmp_path,
        {
            "prompt": "a fox",
            "grid": {"resolution": ["1K", "4K"], "enable_web_search": [True, False]},
        },
    )

    (prices,) = found["prices"].values()
    assert prices["usd"] == {"1K": 0.08, "4K": 0.16, "web search": 0.015}
    assert found["cost_usd"] == 0.51


def test_without_a_price_the_cost_is_not_known(tmp_path: Path) -> None:
    found = plan_of(tmp_path, {"prompt": "a fox", "endpoint": "acme/painter"})

    assert found["cost_usd"] is None
    assert any("--price USD" in text for text in found["warnings"])


def test_folded_jobs_come_with_both_lines(tmp_path: Path) -> None:
    (tmp_path / "mugs.csv").write_text("sku,title\n1,mug\n2,jug\n3,mug\n")

    found = plan_of(tmp_path, {"prompt": "a {{ title }}", "rows": str(tmp_path / "mugs.csv")})

    assert (found["jobs"], found["folded"]) == (2, 1)
    assert found["fold"]["differing"] == ["sku"]
    assert [found["fold"][which].rpartition(":")[2] for which in ("first", "second")] == ["2", "4"]


def test_a_sample_that_cannot_show_every_value_says_so(tmp_path: Path) -> None:
    grid = {"animal": [f"animal {number}" for number in range(20)]}

    found = plan_of(tmp_path, {"prompt": "a {{ animal }}", "grid": grid}, sample="5")

    assert found["jobs"] == 5
    assert any("sample of 5" in text for text in found["warnings"])
