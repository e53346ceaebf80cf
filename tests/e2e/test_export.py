"""`batchgen export`, as a user types it: what it says, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import COMMAND, PATIENCE_S, Desk
from support.finished_batch import drawn_image, failed, finished_batch

from batchgen.job import Job

ZOO: dict[str, object] = {
    "batch": "zoo",
    "prompt": "{{ animal }} in {{ style }}",
    "grid": {"animal": ["a fox", "an owl"], "style": ["ink", "oil", "chalk"]},
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder with a batch: one of its six jobs has failed."""

    def fate(job: Job, index: int) -> object:
        is_refused = (job.variables["animal"], job.variables["style"]) == ("an owl", "chalk")
        return failed(job) if is_refused else drawn_image(job.seed or 0)

    finished_batch(tmp_path, ZOO, fate)  # type: ignore[arg-type]  # bytes or a row
    return Desk(folder=tmp_path)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_says_what_is_in_it_and_what_is_missing(desk: Desk) -> None:
    said = desk.call("export", "zoo", "--to", "files", "--out", "data/zoo")

    assert (said.code, said.out) == (0, "")
    assert said.err.splitlines()[:2] == [
        "zoo: 5 images, 0.0 MB as files.",
        f"  in             {desk.folder}/data/zoo",
    ]
    assert "missing        content_policy_violation 1; missing.csv lists them" in said.err
    assert re.search(r"[k-z]{16}-0  content_policy_violation  an owl in chalk", said.err)
    assert len(rows(desk.folder / "data" / "zoo" / "table.csv")) == 5


@pytest.mark.parametrize(
    "to", ["imagefolder", "parquet", "webdataset", "captions", "files", "csv", "xlsx"]
)
def test_every_format_is_one_command(desk: Desk, to: str) -> None:
    said = desk.call("export", "zoo", "--to", to, "--out", to, "--where", "style=ink", "--json")

    assert (said.code, said.err) == (0, "")
    document = said.document
    assert (document["format"], document["images"], document["missing"]) == (to, 2, 0)
    assert document["folder"] == str(desk.folder / to)
    assert (desk.folder / to / "README.md").is_file()


def test_strict_ends_with_1_and_writes_nothing(desk: Desk) -> None:
    said = desk.call("export", "zoo", "--to", "csv", "--out", "zoo", "--strict")

    assert said.code == 1
    assert "--strict: 1 image is missing. Nothing was written." in said.err
    assert "batchgen status zoo --failed" in said.err
    assert "batchgen resume" not in said.err  # nothing is left
    assert not (desk.folder / "zoo").exists()
    assert desk.call("export", "zoo", "--to", "csv", "--out", "zoo", "--strict", "--json").document[
        "missing_by_reason"
    ] == {"content_policy_violation": 1}


def test_a_file_that_is_gone_ends_with_1_and_names_verify(desk: Desk) -> None:
    next((desk.folder / "jobs" / "zoo" / "images").rglob("*.png")).unlink()

    said = desk.call("export", "zoo", "--to", "files", "--out", "zoo")

    assert said.code == 1
    assert "file missing 1" in said.err
    assert "batchgen verify zoo --repair" in said.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--out", "jobs"], "is no export of batchgen", id="a folder that is there"),
        pytest.param(["--out", "jobs/zoo/data"], "the batch's own folder", id="the batch's folder"),
        pytest.param(["--where", "stile=ink"], "Did you mean 'style'", id="an axis misspelled"),
        pytest.param(["--where", "style=inc"], "There are: ink, oil, chalk", id="a value"),
        pytest.param(["--out", "/"], "Name a folder in it", id="the root of a disk"),
        pytest.param(["--split", "train"], "train=0.9,test=0.1", id="a split"),
        pytest.param(["--dedup", "close"], "near:THRESHOLD", id="a way to compare"),
        pytest.param(["--status", "failed"], "Tables take every row", id="rows without images"),
        pytest.param(["--picks", "no.csv"], "no.csv", id="picks that are not there"),
        pytest.param(["--caption", "{{ stile }}"], "Did you mean 'style'", id="a template"),
    ],
)
def test_what_does_not_fit_ends_with_2_and_says_what_would(
    desk: Desk, options: list[str], said: str
) -> None:
    answer = desk.call("export", "zoo", "--to", "files", "--out", "data", *options)

    assert answer.code == 2
    assert said in answer.err
    assert not (desk.folder / "data").exists()


def test_two_exports_to_one_place_do_not_meet(desk: Desk) -> None:
    hidden = desk.folder / ".data.exporting"
    hidden.mkdir()
    hold = (
        "import portalocker, sys; file = open(sys.argv[1], 'a'); "
        "portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE); print('held', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(hidden / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        said = desk.call("export", "zoo", "--to", "csv", "--out", "data")

        assert holder.stdin is not None
        holder.stdin.close()
    assert said.code == 4
    assert "another process is exporting to" in said.err


def cut_short(desk: Desk, call: list[str], *, when: Callable[[], bool], by: signal.Signals) -> int:
    """Call batchgen, send it a signal as soon as something is so, and return its exit code."""
    with subprocess.Popen(
        [*COMMAND, *call], cwd=desk.folder, env=desk.environment, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + PATIENCE_S
        while not when() and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.001)
        process.send_signal(by)
    return process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_an_export_that_is_cut_short_leaves_nothing_that_looks_finished(
    tmp_path: Path, number: signal.Signals
) -> None:
    many: dict[str, object] = {**ZOO, "repeat": 200}
    finished_batch(tmp_path, many, lambda job, _: drawn_image(job.seed or 0))
    desk = Desk(folder=tmp_path)
    new = tmp_path / ".data.exporting" / "new"
    call = ["export", "zoo", "--to", "imagefolder", "--out", "data"]
    expected = 130 if number is signal.SIGINT else -number
    # On a busy machine it may be done before the signal reaches it; then it says nothing.
    for _ in range(5):
        if (
            cut_short(desk, call, when=lambda: any(new.glob("train/*/*.png")), by=number)
            == expected
        ):
            break
        shutil.rmtree(tmp_path / "data")
    else:
        pytest.fail("it was never cut short")

    assert not (tmp_path / "data").exists()
    assert (number is signal.SIGKILL) == (tmp_path / ".data.exporting").exists()
    said = desk.call(*call, "--json")
    assert (said.code, said.document["images"]) == (0, 1_200)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "jobs"}


def test_without_the_extra_it_says_what_to_type(desk: Desk) -> None:
    """A folder on the path that hides a package stands for one that was never installed."""
    hidden = desk.folder / "hidden"
    hidden.mkdir()
    finder = (
        "import importlib.abc, sys\n"
        "class Hidden(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('pyarrow', 'xlsxwriter'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "from batchgen.cli import main\n"
        "sys.exit(main())\n"
    )
    script = hidden / "batchgen_without.py"
    script.write_text(finder, encoding="utf-8")

    def call(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(script), "export", "zoo", "--out", "data", *options],
            cwd=desk.folder,
            env=desk.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    for options in (["--to", "xlsx"], ["--to", "imagefolder"]):
        ran = call(*options)
        assert ran.returncode == 2, ran.stderr
        assert "pip install 'batchgen[datasets]'" in ran.stderr
    for options in (
        ["--to", "imagefolder", "--metadata", "jsonl"],
        ["--to", "webdataset"],
    ):
        ran = call(*options, "--json")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["images"] == 5
