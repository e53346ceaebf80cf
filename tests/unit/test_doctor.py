"""What the doctor makes of what it has seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batchgen.doctor import Examination, Finding, Grade
from batchgen.doctor.connection import Called, judge_clock, judge_key, judge_queue, read_key
from batchgen.doctor.finding import fine, warning, wrong
from batchgen.doctor.machine import (
    check_open_files,
    check_packages,
    check_uvloop,
)
from batchgen.errors import AccountError, ReadError
from batchgen.service import Service

NOW = datetime(2026, 11, 22, 23, 0, 0, tzinfo=UTC)
KEY = fine("key", "FAL_KEY is set")
SECRET = "a-secret-that-nobody-sees"


def called(
    *,
    error: ReadError | None = None,
    barred: AccountError | None = None,
    off: timedelta = timedelta(0),
) -> Called:
    return Called(error=error, barred=barred, took_s=0.042, its_time=NOW - off, our_time=NOW)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        pytest.param([fine("a", "")], 0, id="all is well"),
        pytest.param([fine("a", ""), warning("b", "")], 0, id="a warning is no finding"),
        pytest.param([wrong("a", "", stops_run=False)], 1, id="wrong, and a run can go"),
        pytest.param([warning("a", ""), wrong("b", "")], 3, id="a run could not go"),
    ],
)
def test_the_exit_code_follows_the_worst(findings: list[Finding], code: int) -> None:
    assert Examination(findings=tuple(findings)).exit_code == code


@pytest.mark.parametrize(
    ("environ", "grade", "said"),
    [
        pytest.param({}, Grade.WRONG, "there is none", id="none"),
        pytest.param({"FAL_KEY": f"id:{SECRET}"}, Grade.OK, "FAL_KEY is set", id="FAL_KEY"),
        pytest.param(
            {"FAL_KEY_ID": "id", "FAL_KEY_SECRET": SECRET},
            Grade.OK,
            "FAL_KEY_ID with FAL_KEY_SECRET is set",
            id="the pair",
        ),
        pytest.param({"FAL_KEY": SECRET}, Grade.WARNING, "does not look like", id="no colon"),
        pytest.param({"FAL_KEY": f"{SECRET}:"}, Grade.WARNING, "does not look like", id="half"),
        pytest.param({"FAL_KEY": f"id:{SECRET} x"}, Grade.WRONG, "a blank", id="a blank in it"),
        pytest.param(
            {"FAL_KEY": f"id:{SECRET}", "BATCHGEN_QUEUE_URL": "http://example.org"},
            Grade.WRONG,
            "plain http",
            id="it would be sent in the clear",
        ),
    ],
)
def test_a_key_is_judged_by_its_form_and_never_shown(
    environ: dict[str, str], grade: Grade, said: str
) -> None:
    _, finding = read_key(environ, env_file=None)

    assert finding.grade is grade
    assert said in finding.text
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    ("key", "answer", "grade", "said"),
    [
        pytest.param(KEY, called(), Grade.OK, "and the service takes it", id="taken"),
        pytest.param(
            KEY,
            called(barred=AccountError("invalid key credentials", cause="key", http=401)),
            Grade.WRONG,
            'does not take it ("invalid key credentials")',
            id="401",
        ),
        pytest.param(
            KEY,
            called(barred=AccountError("User is locked", cause="locked", http=403)),
            Grade.WRONG,
            "the account is locked",
            id="403",
        ),
        pytest.param(KEY, called(error=ReadError("x")), Grade.OK, "FAL_KEY is set", id="no answer"),
        pytest.param(
            wrong("key", "there is none"),
            called(barred=AccountError("no", cause="key", http=401)),
            Grade.WRONG,
            "there is none",
            id="none to be taken",
        ),
    ],
)
def test_whether_the_service_takes_the_key(
    key: Finding, answer: Called, grade: Grade, said: str
) -> None:
    finding = judge_key(key, answer)

    assert finding.grade is grade
    assert said in finding.text


def test_a_queue_that_answers_says_how_fast() -> None:
    service = Service(queue_url="https://queue.example.org")

    finding = judge_queue(service, called(), environ={})

    assert (finding.grade, finding.text) == (
        Grade.OK,
        "https://queue.example.org answers in 42 ms",
    )


def test_a_queue_that_refuses_the_key_answers() -> None:
    barred = AccountError("no", cause="key", http=401)

    assert judge_queue(Service(), called(barred=barred), environ={}).grade is Grade.OK


def test_a_queue_without_an_answer_stops_a_run_and_a_proxy_is_pointed_at() -> None:
    error = called(error=ReadError("no connection in time"))

    finding = judge_queue(Service(), error, environ={"HTTPS_PROXY": "http://proxy"})

    assert finding.stops_run
    assert "no connection in time" in finding.text
    assert "HTTPS_PROXY is set, and batchgen uses no proxy" in finding.mend
    assert finding.mend.startswith("curl -I https://queue.fal.run")


@pytest.mark.parametrize(
    ("off", "grade", "said"),
    [
        pytest.param(timedelta(seconds=60), Grade.OK, "right to the minute", id="a minute"),
        pytest.param(timedelta(seconds=61), Grade.WARNING, "1 min 1 s ahead of", id="ahead"),
        pytest.param(timedelta(hours=-2), Grade.WARNING, "2 h behind", id="behind"),
        pytest.param(timedelta(days=400), Grade.WARNING, "400 d ahead of", id="far ahead"),
    ],
)
def test_a_clock_may_be_off_by_a_minute(off: timedelta, grade: Grade, said: str) -> None:
    finding = judge_clock(called(off=off))

    assert finding is not None
    assert finding.grade is grade
    assert said in finding.text
    assert bool(finding.mend) == (grade is Grade.WARNING)


def test_a_service_that_does_not_say_the_time_judges_no_clock() -> None:
    assert judge_clock(Called(our_time=NOW)) is None


@pytest.mark.parametrize(
    ("needed", "found", "grade", "mend"),
    [
        pytest.param("aiohttp>=3.12", "3.14.0", Grade.OK, "", id="newer"),
        pytest.param("aiohttp>=3.12", "3.12", Grade.OK, "", id="just new enough"),
        pytest.param("aiohttp>=3.12", "3.12.0rc1", Grade.OK, "", id="a release candidate"),
        pytest.param("aiohttp>=3.12", "3.9.5", Grade.WRONG, '"aiohttp>=3.12"', id="older: 9 < 12"),
        pytest.param("aiohttp>=3.12", None, Grade.WRONG, '"aiohttp>=3.12"', id="missing"),
        pytest.param("uvloop>=0.21", None, Grade.OK, "", id="done without"),
    ],
)
def test_packages_must_be_there_and_new_enough(
    needed: str, found: str | None, grade: Grade, mend: str
) -> None:
    finding = check_packages([needed], installed=lambda name: found)

    assert finding.grade is grade
    assert mend in finding.mend
    assert not finding.stops_run


@pytest.mark.parametrize(
    ("found", "is_windows", "grade"),
    [
        pytest.param("0.22.0", False, Grade.OK, id="installed"),
        pytest.param(None, False, Grade.WARNING, id="missing"),
        pytest.param(None, True, Grade.OK, id="there is none on Windows"),
    ],
)
def test_the_faster_event_loop_is_no_must(
    found: str | None, is_windows: bool, grade: Grade
) -> None:
    assert check_uvloop(found, is_windows=is_windows).grade is grade


@pytest.mark.parametrize(
    ("limit", "grade"),
    [
        pytest.param(None, Grade.OK, id="no limit"),
        pytest.param(1024, Grade.OK, id="the usual"),
        pytest.param(255, Grade.WARNING, id="few"),
    ],
)
def test_few_open_files_are_a_warning(limit: int | None, grade: Grade) -> None:
    assert check_open_files(limit).grade is grade
