"""A batch's folder: its frozen manifests, its pair of files, and what happens when one is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.jobs import make_job
from support.record_files import MISSING, SERVICE, UNDELIVERED, Clock, Files, Story, read_rows

from batchgen.attempt import JOURNAL_COLUMNS
from batchgen.batch import Batch, find_batch
from batchgen.batch_state import STATE_NAME
from batchgen.errors import BusyError, LedgerError, UsageError
from batchgen.job import Job, number_of
from batchgen.ledger import HEAD
from batchgen.manifest import Manifest, load_manifest
from batchgen.retry import RetryRule
from batchgen.standing import Step, next_step

YAML = """\
batch: shots
prompt: "A {{ style }} portrait of {{ animal }}"
grid:
  style: {file: styles.txt}
  animal: [a fox, an owl]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a manifest and a file that it names."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "m.yaml").write_text(YAML)
    (folder / "styles.txt").write_text("woodcut\nwatercolour\n")
    return folder


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    batch = open_batch(tmp_path)
    batch.create(simulated=False)
    return batch


def open_batch(tmp_path: Path) -> Batch:
    return Batch(tmp_path / "jobs" / "shots", now=Clock())


def load(home: Path, name: str = "m.yaml") -> Manifest:
    return load_manifest(home / name)


def jobs_of(manifest: Manifest) -> list[Job]:
    """Return a manifest's jobs without the lines of the file that speak of them."""
    return [replace(job, line="") for job in manifest.jobs()]


def state_of(batch: Batch) -> dict[str, object]:
    found = json.loads((batch.folder / STATE_NAME).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- the folder -------------------------------------------------------------------------------


def test_a_look_at_a_batch_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    batch = open_batch(tmp_path)

    assert batch.is_new
    assert batch.name == "shots"
    assert not (tmp_path / "jobs").exists()


def test_a_new_batch_is_a_folder_that_knows_what_it_is(tmp_path: Path, batch: Batch) -> None:
    again = open_batch(tmp_path)

    assert again.is_new
    assert again.state is not None
    assert (again.state.batch, again.state.simulated) == ("shots", False)
    assert names(batch.folder) == {STATE_NAME}


def test_a_batch_is_made_once(tmp_path: Path, batch: Batch) -> None:
    before = state_of(batch)

    batch.create(simulated=True)
    open_batch(tmp_path).create(simulated=True)

    assert state_of(batch) == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"at,job", id="a piece of its header"),
        pytest.param(b"at,job_id\0\0\0\0", id="a piece and zero bytes"),
    ],
)
def test_a_file_that_holds_nothing_yet_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    batch = open_batch(tmp_path)
    batch.folder.mkdir(parents=True)
    batch.journal_path.write_bytes(content)

    batch.create(simulated=False)
    with open_story(batch) as _:
        pass

    assert batch.journal_path.read_text() == ",".join(JOURNAL_COLUMNS) + "\n"


@pytest.mark.parametrize("name", ["requests.csv", "ledger.csv"])
def test_a_folder_that_holds_somebody_elses_files_becomes_no_batch(
    tmp_path: Path, name: str
) -> None:
    batch = open_batch(tmp_path)
    batch.folder.mkdir(parents=True)
    (batch.folder / name).write_text("Dear diary\n")

    with pytest.raises(UsageError, match=name):
        batch.create(simulated=False)

    assert names(batch.folder) == {name}


def test_a_folder_that_cannot_be_made_names_another_way(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("")

    with pytest.raises(UsageError, match=r"--jobs-dir|not a folder"):
        open_batch(tmp_path).create(simulated=False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="half of it"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"batch": "shots"}', id="not all of it"),
        pytest.param(b"\xff", id="no text"),
    ],
)
def test_a_state_that_cannot_be_read_is_told(tmp_path: Path, batch: Batch, content: bytes) -> None:
    (batch.folder / STATE_NAME).write_bytes(content)

    with pytest.raises(UsageError, match=STATE_NAME):
        open_batch(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"identity": 2}, id="ids made by another rule"),
        pytest.param({"endpoints": {"fal-ai/nano-banana-2": 7}}, id="other defaults"),
    ],
)
def test_a_batch_of_another_version_is_refused_because_it_would_be_bought_again(
    tmp_path: Path, batch: Batch, change: dict[str, object]
) -> None:
    (batch.folder / STATE_NAME).write_text(json.dumps({**state_of(batch), **change}))

    with pytest.raises(UsageError, match="another version"):
        open_batch(tmp_path)


def test_a_batch_is_found_by_its_name_and_by_its_folder(tmp_path: Path, batch: Batch) -> None:
    jobs_dir = tmp_path / "jobs"

    assert find_batch("shots", jobs_dir=jobs_dir).folder == batch.folder
    assert find_batch(str(batch.folder), jobs_dir=tmp_path).folder == batch.folder
    with pytest.raises(UsageError, match=r"no batch 'shorts' .* There are: shots"):
        find_batch("shorts", jobs_dir=jobs_dir)


# -- frozen manifests -------------------------------------------------------------------------


def test_a_manifest_and_the_files_it_names_are_kept_as_they_ran(home: Path, batch: Batch) -> None:
    batch.freeze(load(home), sample="")

    kept = batch.folder / "manifests" / "1"
    assert (batch.folder / "manifest.yaml").read_text() == YAML
    assert (kept / "manifest.yaml").read_text() == YAML
    assert sorted(path.read_text() for path in kept.iterdir() if path.suffix == ".txt") == [
        "woodcut\nwatercolour\n"
    ]
    assert not batch.is_new


def test_the_same_manifest_is_kept_once(home: Path, batch: Batch) -> None:
    for _ in range(3):
        batch.freeze(load(home), sample="")

    assert names(batch.folder / "manifests") == {"1"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("m.yaml", YAML.replace("an owl", "an owl, a cat"), id="the manifest"),
        pytest.param("styles.txt", "woodcut\n", id="a file that it names"),
    ],
)
def test_an_edit_becomes_current_and_what_was_is_kept_under_its_number(
    home: Path, batch: Batch, file: str, text: str
) -> None:
    batch.freeze(load(home), sample="")
    first = jobs_of(batch.load_frozen())
    (home / file).write_text(text)

    batch.freeze(load(home), sample="")

    assert names(batch.folder / "manifests") == {"1", "2"}
    assert (batch.folder / "manifests" / "1" / "manifest.yaml").read_text() == YAML
    assert (batch.folder / "manifest.yaml").read_bytes() == (home / "m.yaml").read_bytes()
    assert jobs_of(batch.load_frozen()) == jobs_of(load(home)) != first


def test_what_was_frozen_runs_when_the_originals_are_gone(home: Path, batch: Batch) -> None:
    jobs = jobs_of(load(home))
    batch.freeze(load(home), sample="")
    shutil.rmtree(home)

    frozen = batch.load_frozen()

    assert jobs_of(frozen) == jobs
    assert frozen.batch == "shots"


def test_what_was_frozen_can_be_frozen_again_and_is_the_same(home: Path, batch: Batch) -> None:
    batch.freeze(load(home), sample="")
    before = state_of(batch)
    shutil.rmtree(home)

    batch.freeze(batch.load_frozen(), sample="")

    assert state_of(batch) == before


def test_jobs_are_drawn_from_what_was_frozen_whatever_is_edited_meanwhile(
    home: Path, batch: Batch
) -> None:
    (home / "shots.csv").write_text("prompt,aspect_ratio\na fox,1:1|16:9\n")
    frozen = batch.freeze(load(home, "shots.csv"), sample="")

    (home / "shots.csv").write_text("prompt,aspect_ratio\na wolf,1:1\n")

    assert [job.prompt for job in frozen.jobs()] == ["a fox", "a fox"]


def test_a_table_as_manifest_is_frozen_as_one_and_takes_the_place_of_a_former_yaml(
    home: Path, batch: Batch
) -> None:
    batch.freeze(load(home), sample="")
    (home / "shots.csv").write_text("prompt,aspect_ratio\na fox,1:1|16:9\n")

    batch.freeze(load(home, "shots.csv"), sample="")

    assert (batch.folder / "manifest.csv").read_bytes() == (home / "shots.csv").read_bytes()
    assert not (batch.folder / "manifest.yaml").exists()
    assert len(list(batch.load_frozen().jobs())) == 2


def test_a_mapping_is_frozen_as_the_yaml_that_means_the_same(batch: Batch) -> None:
    manifest = load_manifest(
        {"batch": "shots", "prompt": "a {{ x }}", "grid": {"x": ["1:1", "no", "007"]}}
    )

    batch.freeze(manifest, sample="")

    assert jobs_of(batch.load_frozen()) == jobs_of(manifest)


def test_a_batch_that_never_ran_has_no_manifest(batch: Batch) -> None:
    with pytest.raises(UsageError, match="never been run"):
        batch.load_frozen()


def test_the_sample_and_the_count_belong_to_the_manifest(home: Path, batch: Batch) -> None:
    batch.freeze(load(home), sample="2")
    batch.remember_count(jobs=2, folded=0)
    batch.freeze(load(home), sample="2")
    assert batch.state is not None
    assert (batch.state.sample, batch.state.jobs) == ("2", 2)

    batch.freeze(load(home), sample="")

    assert (batch.state.sample, batch.state.jobs) == ("", None)


# A process that dies where a file would be put in the place of another.
DIES = """
import os, signal, sys
from pathlib import Path
from batchgen import journal
from batchgen.batch import Batch
from batchgen.manifest import load_manifest

class Dying(type(Path())):
    def replace(self, target):
        if Path(target).name == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().replace(target)

batch = Batch(Dying(sys.argv[1]))
batch.freeze(load_manifest(sys.argv[2]), sample="")
"""


def die(batch: Batch, manifest: Path, name: str) -> None:
    package = Path(__file__).parents[2]
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(batch.folder), str(manifest), name],
        env={**os.environ, "PYTHONPATH": str(package)},
        check=False,
        timeout=60,
    )
    assert died.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_manifest_that_a_killed_run_was_freezing_never_became_current(
    tmp_path: Path, home: Path, batch: Batch
) -> None:
    batch.freeze(load(home), sample="")
    before = jobs_of(batch.load_frozen())
    (home / "styles.txt").write_text("engraving\n")

    die(batch, home / "m.yaml", STATE_NAME)

    again = open_batch(tmp_path)
    assert jobs_of(again.load_frozen()) == before
    (home / "styles.txt").write_text("etching\n")  # edited once more before the next run
    again.freeze(load(home), sample="")
    assert names(again.folder / "manifests") == {"1", "2"}
    assert jobs_of(again.load_frozen()) == jobs_of(load(home))


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_manifest_that_became_current_is_shown_by_the_next_run_at_the_latest(
    tmp_path: Path, home: Path, batch: Batch
) -> None:
    batch.freeze(load(home), sample="")
    (home / "m.yaml").write_text(YAML + "# edited\n")

    die(batch, home / "m.yaml", "manifest.yaml")

    again = open_batch(tmp_path)
    assert again.load_frozen().text.endswith(b"# edited\n")
    assert (again.folder / "manifest.yaml").read_text() == YAML
    again.freeze(load(home), sample="")
    assert (again.folder / "manifest.yaml").read_text() == YAML + "# edited\n"


# -- the pair of files ------------------------------------------------------------------------


class open_story:  # noqa: N801 - read as a function: `with open_story(batch) as story`
    """Open a batch's records for writing, with what is on record."""

    def __init__(self, batch: Batch, manifest: Manifest | None = None, **replay: bool) -> None:
        record = batch.replay(**replay)
        self.records = batch.open_records(record, service=SERVICE, manifest=manifest)

    def __enter__(self) -> Story:
        return Story(self.records)

    def __exit__(self, *error: object) -> None:
        self.records.journal.close()
        self.records.ledger.close()


JOB = make_job(1)


@pytest.fixture
async def finished(home: Path, batch: Batch) -> Batch:
    """Return a batch that has run: a job that is done, one that failed, one undelivered."""
    batch.freeze(load(home), sample="")
    with open_story(batch) as story:
        await story.succeeded(JOB)
        await story.open(make_job(2))
        await story.failed(make_job(2), "content_policy_violation", http=422)
        await story.closed(make_job(2), "content_policy_violation")
        await story.open(make_job(3))
        await story.completed(make_job(3))
        await story.image(make_job(3), image=UNDELIVERED)
    return batch


def step_of(batch: Batch, job: Job) -> Step:
    standing = batch.replay().find(number_of(job.job_id))
    assert standing is not None
    return next_step(standing, retry=RetryRule(), download=True)


def content(batch: Batch) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in batch.folder.glob("*.csv")}


def test_both_files_are_there_before_anything_is_sent(home: Path, batch: Batch) -> None:
    batch.freeze(load(home), sample="")

    with open_story(batch, load(home)):
        assert batch.journal_path.read_text() == ",".join(JOURNAL_COLUMNS) + "\n"
        header = batch.ledger_path.read_text().rstrip("\n").split(",")
        assert tuple(header[: len(HEAD)]) == HEAD
        assert header[len(HEAD) : len(HEAD) + 2] == ["style", "animal"]


def test_a_ledger_that_is_missing_is_not_quietly_begun_anew(finished: Batch) -> None:
    finished.ledger_path.unlink()

    with pytest.raises(LedgerError, match=r"missing(.|\n)*batchgen verify shots --repair"):
        finished.replay()

    assert not finished.ledger_path.exists()


def test_a_ledger_that_was_emptied_is_filled_again_from_the_journal(finished: Batch) -> None:
    finished.ledger_path.write_bytes(b"")

    assert step_of(finished, JOB) is Step.DOWNLOAD
    assert step_of(finished, make_job(2)) is Step.DECIDE
    assert step_of(finished, make_job(3)) is Step.DOWNLOAD


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.write_bytes(b"at,job_id"), id="a piece of its header"),
        pytest.param(
            lambda path: path.write_text(",".join(JOURNAL_COLUMNS) + "\n"), id="its header alone"
        ),
    ],
)
def test_a_journal_that_is_lost_is_said_to_be_lost(
    finished: Batch, lose: Callable[[Path], object]
) -> None:
    lose(finished.journal_path)
    before = content(finished)

    with pytest.raises(LedgerError, match=r"requests\.csv is lost(.|\n)*Nothing was sent"):
        finished.replay()

    assert content(finished) == before


async def test_a_journal_that_is_an_older_copy_is_found_out(finished: Batch) -> None:
    older = finished.journal_path.read_bytes()
    with open_story(finished) as story:
        await story.succeeded(make_job(4))
        await story.succeeded(make_job(5))
    finished.journal_path.write_bytes(older)

    with pytest.raises(LedgerError, match=f"lacks 2 jobs .*{make_job(4).job_id}"):
        finished.replay()


async def test_jobs_that_were_never_sent_need_no_journal(home: Path, batch: Batch) -> None:
    batch.freeze(load(home), sample="")
    with open_story(batch) as story:
        await story.records.template_failed(JOB, story.own(JOB))

    assert step_of(batch, JOB) is Step.RENDER


async def test_whoever_goes_on_without_the_journal_buys_nothing_that_the_ledger_has(
    finished: Batch,
) -> None:
    finished.journal_path.unlink()

    record = finished.replay(accept_loss=True)

    steps = {
        number: next_step(standing, retry=RetryRule(), download=True)
        for number, standing in record.jobs.items()
    }
    assert steps == {1: Step.DONE, 2: Step.LEAVE, 3: Step.LEAVE}
    assert record.bill.spent_usd > 0


async def test_a_loss_that_was_accepted_is_not_held_against_the_next_run(
    tmp_path: Path, finished: Batch
) -> None:
    lost = make_job(4)
    with open_story(finished) as story:
        await story.submitting(lost)
        await story.unknown(lost)
    finished.journal_path.unlink()
    with pytest.raises(LedgerError):
        finished.replay()

    record = finished.replay(accept_loss=True)
    loss = finished.accept_loss(record)

    assert loss is not None
    assert loss.is_whole
    assert set(loss.alone) == {1, 2, 3, 4}
    standing = record.find(number_of(lost.job_id))
    assert standing is not None
    assert next_step(standing, retry=RetryRule(), download=True) is Step.SEND
    with open_story(finished, accept_loss=True) as story:
        await story.succeeded(make_job(7))
    again = open_batch(tmp_path)
    assert step_of(again, make_job(7)) is Step.DONE
    assert again.accept_loss(again.replay()) is None


@pytest.mark.parametrize("name", ["requests.csv", "ledger.csv"])
async def test_a_torn_tail_is_left_by_those_who_read_and_cut_by_those_who_write(
    finished: Batch, name: str
) -> None:
    path = finished.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-9])
    torn = path.read_bytes()

    finished.replay()
    assert path.read_bytes() == torn

    with open_story(finished) as story:
        assert path.read_bytes() == whole
        await story.succeeded(make_job(7))
    assert step_of(finished, make_job(7)) is Step.DONE


async def test_a_manifest_that_brings_columns_changes_no_old_cell(
    home: Path, finished: Batch
) -> None:
    before = read_rows(finished.ledger_path)
    (home / "m.yaml").write_text(YAML + "  aspect_ratio: [1:1]\n  light: [dusk]\n")

    with open_story(finished, load(home)) as story:
        job = make_job(
            9, aspect_ratio="1:1", variables={"style": "s", "animal": "a", "light": "dusk"}
        )
        await story.succeeded(job)

    *old, new = read_rows(finished.ledger_path)
    for was, now in zip(before, old, strict=True):
        assert {name: now[name] for name in was} == was
    assert (new["aspect_ratio"], new["light"], new["style"]) == ("1:1", "dusk", "s")
    # A manifest that has them no longer takes none of them away.
    (home / "m.yaml").write_text('prompt: "a fox"\n')
    with open_story(finished, load(home)):
        assert read_rows(finished.ledger_path)[-1] == new


async def test_columns_that_a_killed_run_was_about_to_add_are_added_by_the_next(
    tmp_path: Path, home: Path, finished: Batch
) -> None:
    before = finished.ledger_path.read_bytes()
    (home / "m.yaml").write_text(YAML + "  light: [dusk]\n")
    with open_story(finished, load(home)):
        pass
    finished.ledger_path.write_bytes(before)  # as if killed before it was renamed
    (finished.folder / ".ledger.csv.new").write_bytes(b"job_id,image_in")

    with open_story(open_batch(tmp_path)):
        assert {row["light"] for row in read_rows(finished.ledger_path)} == {""}
    assert not (finished.folder / ".ledger.csv.new").exists()


async def test_a_tidied_batch_means_what_it_meant(finished: Batch) -> None:
    with open_story(finished) as story:
        await story.image(make_job(3))
        await story.open(make_job(2))
        await story.completed(make_job(2), images=1)
        await story.image(make_job(2), image=MISSING)
        record = story.records.record
    jobs = [make_job(number) for number in (1, 2, 3)]
    steps = [step_of(finished, job) for job in jobs]

    assert finished.compact(record) == 2
    assert record.superseded == set()

    assert [step_of(finished, job) for job in jobs] == steps
    assert len(read_rows(finished.ledger_path)) == 3
    assert len(read_rows(finished.folder / "ledger-history.csv")) == 2
    assert finished.compact(finished.replay()) == 0


# -- one at a time ----------------------------------------------------------------------------


def test_a_batch_that_is_locked_is_busy(tmp_path: Path, batch: Batch) -> None:
    with batch.lock():
        with pytest.raises(BusyError), open_batch(tmp_path).lock():
            pass
        with pytest.raises(BusyError):
            open_batch(tmp_path).require_free()

    open_batch(tmp_path).require_free()


def test_whoever_gets_the_lock_sees_what_was_written_before(
    tmp_path: Path, home: Path, batch: Batch
) -> None:
    other = open_batch(tmp_path)
    batch.freeze(load(home), sample="")
    assert other.is_new

    with other.lock():
        assert not other.is_new


def test_a_request_to_stop_is_seen_once(tmp_path: Path, batch: Batch) -> None:
    assert not batch.takes_stop_request()

    open_batch(tmp_path).request_stop()

    assert batch.takes_stop_request()
    assert not batch.takes_stop_request()


def test_the_files_of_a_batch_are_where_the_contract_says(batch: Batch) -> None:
    files = Files(batch.folder)

    assert (batch.journal_path, batch.ledger_path) == (files.journal, files.ledger)
    assert batch.log_path.name == "run.log"
