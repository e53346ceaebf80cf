"""How faults are asked for, and which calls they hit."""

from __future__ import annotations

import pytest

from batchgen.errors import UsageError
from batchgen.simulator.answer import Json
from batchgen.simulator.catalogue import FAULTS, catalogue_text, find_fault
from batchgen.simulator.fault import Kind
from batchgen.simulator.faults import Faults
from batchgen.simulator.script import parse_rates, parse_script, script_line


def hits(faults: Faults, kind: Kind, calls: int) -> list[list[str]]:
    return [[fault.name for fault in faults.draw(kind)] for _ in range(calls)]


@pytest.mark.parametrize(
    "written",
    ["lost_reply", "Lost Reply", "lost-reply", "accept then drop", "accept_then_drop"],
)
def test_a_fault_has_one_name_and_several_spellings(written: str) -> None:
    assert find_fault(written).name == "lost_reply"


def test_an_unknown_fault_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no fault 'lost_replay'\. Did you mean 'lost_reply'"):
        find_fault("lost_replay")


def test_a_fault_of_another_kind_of_call_is_refused() -> None:
    with pytest.raises(UsageError, match="'status_500' is a fault of status, not of submit"):
        script_line(on="submit", nth=1, do="status_500")


def test_every_fault_is_told_in_one_line() -> None:
    text = catalogue_text()

    for fault in FAULTS.values():
        assert text.count(f"\n  {fault.name} ") == 1
        assert fault.text
        assert "\n" not in fault.text


@pytest.mark.parametrize(
    ("nth", "expected"),
    [
        pytest.param(3, [3], id="a number"),
        pytest.param("3", [3], id="a number as text"),
        pytest.param("2-4", [2, 3, 4], id="from one to another"),
        pytest.param("7-", [7, 8], id="from one on"),
        pytest.param("every", [1, 2, 3, 4, 5, 6, 7, 8], id="every"),
        pytest.param([1, "3-4", 8], [1, 3, 4, 8], id="a list of these"),
    ],
)
def test_nth_counts_from_1(nth: Json, expected: list[int]) -> None:
    faults = Faults()
    faults.script(on="submit", nth=nth, do="throttled")

    hit = [number for number, names in enumerate(hits(faults, Kind.SUBMIT, 8), 1) if names]
    assert hit == expected


@pytest.mark.parametrize("nth", [0, -1, "", "-", "-3", "3-x", 1.5, True, None, [], {"a": 1}])
def test_what_is_no_nth_is_refused(nth: Json) -> None:
    with pytest.raises(UsageError, match="nth"):
        script_line(on="submit", nth=nth, do="throttled")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        pytest.param({"on": "submit"}, "a list", id="no list"),
        pytest.param([{"on": "submit", "nth": 1}], "on, nth, do", id="a key is missing"),
        pytest.param(
            [{"on": "submit", "nth": 1, "do": "throttled", "x": 1}],
            "on, nth, do",
            id="one too many",
        ),
        pytest.param([{"on": "sumbit", "nth": 1, "do": "throttled"}], "'on'", id="no such kind"),
        pytest.param([{"on": "submit", "nth": 1, "do": []}], "'do'", id="nothing to do"),
    ],
)
def test_what_is_no_script_is_refused(script: Json, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_script(script)


def test_several_faults_strike_at_once() -> None:
    faults = Faults(
        lines=parse_script([{"on": "run", "nth": 1, "do": ["no_media_generated", "quiet failure"]}])
    )

    assert hits(faults, Kind.RUN, 2) == [["no_media_generated", "quiet_failure"], []]


def test_rates_are_read_as_written_on_a_command_line() -> None:
    assert parse_rates(" lost_reply=0.02, throttled=1,,") == {"lost_reply": 0.02, "throttled": 1.0}


@pytest.mark.parametrize("text", ["lost_reply", "lost_reply=", "lost_reply=2", "lost_reply=-1"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"lost_reply"):
        parse_rates(text)


def test_the_same_seed_hits_the_same_calls() -> None:
    rates = {"lost_reply": 0.3, "throttled": 0.2}

    first = hits(Faults(rates=rates, seed=7), Kind.SUBMIT, 200)

    assert hits(Faults(rates=rates, seed=7), Kind.SUBMIT, 200) == first
    assert hits(Faults(rates=rates, seed=8), Kind.SUBMIT, 200) != first


def test_one_more_fault_leaves_the_others_where_they_were() -> None:
    alone = hits(Faults(rates={"lost_reply": 0.3}, seed=7), Kind.SUBMIT, 200)
    both = hits(Faults(rates={"throttled": 0.5, "lost_reply": 0.3}, seed=7), Kind.SUBMIT, 200)

    assert [("lost_reply" in names) for names in both] == [bool(names) for names in alone]


def test_the_next_start_does_not_meet_the_first_ones_faults_again() -> None:
    rates = {"lost_reply": 0.3}

    starts = [hits(Faults(rates=rates, seed=7, start=n), Kind.SUBMIT, 100) for n in (1, 2)]

    assert starts[0] != starts[1]


def test_a_rate_is_met_about_as_often_as_it_says() -> None:
    faults = Faults(rates={"throttled": 0.05})

    hits(faults, Kind.SUBMIT, 10_000)

    assert 400 < faults.fired["throttled"] < 600


def test_kinds_are_counted_apart() -> None:
    faults = Faults()
    faults.script(on="status", nth=1, do="status_500")

    assert hits(faults, Kind.SUBMIT, 3) == [[], [], []]
    assert hits(faults, Kind.STATUS, 2) == [["status_500"], []]


def test_faults_can_be_changed_while_calls_come() -> None:
    faults = Faults()
    faults.set_rate("throttled", 1.0)
    assert hits(faults, Kind.SUBMIT, 1) == [["throttled"]]
    faults.set_rate("throttled", 0.0)
    assert hits(faults, Kind.SUBMIT, 1) == [[]]
    faults.script(on="submit", nth="every", do="submit_500")
    assert hits(faults, Kind.SUBMIT, 1) == [["submit_500"]]
    faults.clear()
    assert hits(faults, Kind.SUBMIT, 1) == [[]]
