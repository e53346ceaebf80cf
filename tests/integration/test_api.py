"""The front door for Python: the same rules as at the command line."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from support.threaded_queue import ThreadedQueue

import batchgen
from batchgen.errors import AccountError, BusyError
from batchgen.job import Json
from batchgen.simulator import Simulator, SimulatorSettings

KEY = "front:door"


def make_mapping(**changes: Json) -> dict[str, Json]:
    grid: dict[str, Json] = {"colour": ["red", "blue"], "aspect_ratio": ["1:1", "16:9"]}
    mapping: dict[str, Json] = {"batch": "front", "prompt": "A {{ colour }} fox", "grid": grid}
    return {**mapping, **changes}


def settings() -> SimulatorSettings:
    return SimulatorSettings(seconds=0.02, image_scale=1 / 32, keys=(KEY,))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "BATCHGEN_PLATFORM_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def test_a_run_inside_a_running_event_loop_ends_with_every_image(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    async with Simulator(settings()) as queue:
        environment.setenv("BATCHGEN_QUEUE_URL", queue.url)
        environment.setenv("FAL_KEY", KEY)

        report = await asyncio.to_thread(
            batchgen.run, make_mapping(), jobs_dir=tmp_path, budget_usd=1, concurrency=2
        )

        assert (report.exit_code, report.succeeded, report.submitted) == (0, 4, 4)
        assert report.bill.spent_usd == Decimal("0.32")
        assert queue.accepted == 4
        again = await asyncio.to_thread(batchgen.run, make_mapping(), jobs_dir=tmp_path)
        assert again.submitted == 0
        assert queue.accepted == 4


def test_run_may_be_called_by_a_coroutine_as_a_notebook_does(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    async def cell() -> batchgen.Report:
        return batchgen.run(make_mapping(), jobs_dir=tmp_path, simulate=True)

    report = asyncio.run(cell())

    assert (report.exit_code, report.simulated, report.succeeded) == (0, True, 4)
    assert report.folder == tmp_path / "front-simulated"


SCRIPT = """
import sys, batchgen
grid = {"n": [str(number) for number in range(200)]}
mapping = {"batch": "front", "prompt": "A fox {{ n }}", "grid": grid}
report = batchgen.run(mapping, jobs_dir=sys.argv[1], concurrency=4)
print(report.exit_code, report.succeeded, report.submitted)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no Ctrl-C to one process alone")
def test_an_interrupt_stops_submitting_and_waits_for_what_is_open(tmp_path: Path) -> None:
    with ThreadedQueue(settings={"seconds": 0.3}) as queue:
        script = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env={**os.environ, "BATCHGEN_QUEUE_URL": queue.url, "FAL_KEY": KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + 60.0
        while queue.queue.accepted < 4:
            assert time.monotonic() < end, "nothing was sent"
            time.sleep(0.005)
        script.send_signal(signal.SIGINT)
        said, _ = script.communicate(timeout=60.0)

        accepted = queue.queue.accepted

    assert said.split() == ["130", str(accepted), str(accepted)]
    assert accepted < 200


def test_several_threads_that_begin_one_batch_make_it_once(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    outcomes: list[object] = []

    def begin() -> None:
        try:
            outcomes.append(batchgen.run(make_mapping(), jobs_dir=tmp_path).succeeded)
        except BusyError:
            outcomes.append(BusyError)

    with ThreadedQueue() as queue:
        environment.setenv("BATCHGEN_QUEUE_URL", queue.url)
        environment.setenv("FAL_KEY", KEY)
        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert queue.queue.accepted == 4

    assert set(outcomes) <= {4, BusyError}
    assert 4 in outcomes


def test_a_plan_needs_no_key_and_leaves_no_trace(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    plan = batchgen.plan(make_mapping(), jobs_dir=tmp_path, limit=3)

    assert plan.cost_usd == Decimal("0.24")
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_nothing_begins(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccountError, match="no key"):
        batchgen.run(make_mapping(), jobs_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"concurency": 3}, "there is no option 'concurency'", id="an unknown option"),
        pytest.param({"rate": "fast"}, "rate is 'fast'", id="a value that does not fit"),
        pytest.param({"sample": "0%"}, "sample is '0%'", id="a sample of nothing"),
    ],
)
def test_a_wrong_option_is_told_before_anything_happens(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(batchgen.UsageError, match=message):
        batchgen.run(make_mapping(), jobs_dir=tmp_path, simulate=True, **options)  # type: ignore[arg-type]  # that is the test

    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_a_mapping_come_all_at_once() -> None:
    with pytest.raises(batchgen.ManifestError) as caught:
        batchgen.load_manifest(make_mapping(parameters={"resolution": "9K", "aspekt_ratio": "1:1"}))

    texts = [mistake.text for mistake in caught.value.mistakes]
    assert len(texts) == 2
    assert any("9K" in text for text in texts)
    assert any("aspect_ratio" in text for text in texts)


def test_every_name_of_the_front_door_opens() -> None:
    assert batchgen.__all__ == sorted(batchgen.__all__)
    for name in batchgen.__all__:
        assert getattr(batchgen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        batchgen.nothing  # noqa: B018 - reading it is the test
