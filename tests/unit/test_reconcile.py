"""What became of lost submissions, by what the history shows: the contract, section 5, rule 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.history import HistoryEntry
from batchgen.job import Json
from batchgen.reconcile import Evidence, Fate, Lost, Verdict, is_entry_of, settle

SENT_AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
INPUT: dict[str, Json] = {"prompt": "a fox", "seed": 7, "resolution": "2K"}

LOST = Lost(number=1, at=SENT_AT, endpoint="fal-ai/x", input=INPUT, account="aaaa0000")
NOTHING = Evidence(entries=(), is_whole=True, account="aaaa0000")


def entry(
    request_id: str = "r1",
    *,
    after: timedelta | None = SECOND,
    input: dict[str, Json] | None = INPUT,
) -> HistoryEntry:
    """Return an entry that was sent so long after the lost submission."""
    sent_at = None if after is None else SENT_AT + after
    return HistoryEntry(request_id=request_id, sent_at=sent_at, input=input)


def evidence(*entries: HistoryEntry, **changes: Any) -> Evidence:
    return replace(NOTHING, entries=entries, **changes)


def verdict_of(
    found: Evidence, *, lost: Lost = LOST, age: timedelta = MINUTE, after: timedelta = MINUTE
) -> Verdict:
    (verdict,) = settle([lost], found, now=SENT_AT + age, unknown_after=after)
    return verdict


def fates(verdicts: Sequence[Verdict]) -> dict[int, str]:
    """Return what each submission was settled by: a request id, or its fate."""
    return {
        one.lost.number: one.entry.request_id if one.entry else one.fate.value for one in verdicts
    }


@pytest.mark.parametrize(
    ("found", "is_it"),
    [
        pytest.param(entry(), True, id="what was sent"),
        pytest.param(
            entry(input={**INPUT, "num_images": 1, "sync_mode": False}),
            True,
            id="keys that the service added do not count",
        ),
        pytest.param(
            entry(input={"prompt": "a fox", "seed": 7}), False, id="a key that was sent is missing"
        ),
        pytest.param(entry(input={**INPUT, "seed": 8}), False, id="another value"),
        pytest.param(entry(input={**INPUT, "seed": None}), False, id="no value"),
        pytest.param(entry(input={**INPUT, "seed": "7"}), False, id="a text is no number"),
        pytest.param(entry(input={**INPUT, "seed": 7.0}), True, id="7.0 is 7"),
        pytest.param(entry(input=None), False, id="its input was not kept"),
        pytest.param(entry(after=None), False, id="nobody knows when it was sent"),
        pytest.param(entry(""), False, id="nobody knows its name"),
        pytest.param(entry(after=-HOUR), True, id="an hour before: a clock may be off so far"),
        pytest.param(entry(after=-HOUR - SECOND), False, id="earlier than that"),
        pytest.param(entry(after=3 * HOUR), True, id="hours later: the first answer was late"),
    ],
)
def test_an_entry_is_the_submission_if_all_that_was_sent_is_in_it(
    found: HistoryEntry, is_it: bool
) -> None:
    assert is_entry_of(found, LOST) is is_it


@pytest.mark.parametrize(
    ("sent", "shown", "is_it"),
    [
        pytest.param(True, True, True, id="true is true"),
        pytest.param(True, 1, False, id="1 is not true"),
        pytest.param(0, False, False, id="false is not 0"),
        pytest.param([1, 2], [1, 2], True, id="lists"),
        pytest.param([1, 2], [1, 2, 3], False, id="longer lists"),
        pytest.param([True], [1], False, id="what is in lists"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 1}}, True, id="mappings"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": True}}, False, id="what is in mappings"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, id="added keys count inside a value"),
        pytest.param([], {}, False, id="a list is no mapping"),
    ],
)
def test_values_are_compared_as_json_does(sent: Json, shown: Json, is_it: bool) -> None:
    lost = replace(LOST, input={"value": sent})

    assert is_entry_of(entry(input={"value": shown}), lost) is is_it


def test_what_is_in_the_history_goes_on_as_that_request() -> None:
    verdict = verdict_of(evidence(entry("r0", input={**INPUT, "seed": 6}), entry("r1")))

    assert verdict.fate is Fate.ACCEPTED
    assert verdict.entry is not None
    assert verdict.entry.request_id == "r1"


def test_an_entry_is_believed_whatever_else_is_lacking() -> None:
    for doubt in DOUBTS.values():
        assert doubt(Case()).with_entry(entry()).verdict().fate is Fate.ACCEPTED


def test_a_request_on_a_row_of_the_journal_settles_nothing_else() -> None:
    found = evidence(entry("r1"), known={"r1": SENT_AT - SECOND})

    assert verdict_of(found).fate is Fate.NOT_ACCEPTED


def test_it_was_not_accepted_if_all_conditions_hold() -> None:
    verdict = verdict_of(evidence(entry("r0", input={**INPUT, "seed": 6})))

    assert (verdict.fate, verdict.reason, verdict.entry) == (Fate.NOT_ACCEPTED, "", None)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A lost submission that was not accepted: every condition for saying so holds."""

    lost: Lost = LOST
    evidence: Evidence = NOTHING
    age: timedelta = MINUTE

    def verdict(self) -> Verdict:
        return verdict_of(self.evidence, lost=self.lost, age=self.age)

    def with_lost(self, **changes: Any) -> Case:
        return replace(self, lost=replace(self.lost, **changes))

    def with_evidence(self, **changes: Any) -> Case:
        return replace(self, evidence=replace(self.evidence, **changes))

    def with_entry(self, entry: HistoryEntry) -> Case:
        return self.with_evidence(entries=(*self.evidence.entries, entry))


# What keeps a submission unknown, each with how one of the conditions is taken away.
DOUBTS: dict[str, Callable[[Case], Case]] = {
    "the history may not show it yet": lambda case: replace(case, age=MINUTE - SECOND),
    "it is older than what the history keeps": lambda case: replace(case, age=30 * DAY),
    "the history could not be read whole": lambda case: case.with_evidence(is_whole=False),
    "this machine's clock and the service's are too far apart": lambda case: case.with_evidence(
        ahead=-31 * MINUTE
    ),
    "it was sent with another key, whose history this may not be": lambda case: case.with_evidence(
        account="bbbb1111"
    ),
    "the history shows requests without their input": lambda case: case.with_entry(
        entry(input=None)
    ),
    "the history shows it without a request id": lambda case: case.with_entry(entry("")),
    "the history does not show what was sent after it either": lambda case: case.with_lost(
        has_later_end=True
    ),
}


def lacking(*reasons: str) -> Verdict:
    """Return the verdict where these conditions do not hold, and all others do."""
    case = Case()
    for reason in reasons:
        case = DOUBTS[reason](case)
    return case.verdict()


@pytest.mark.parametrize("reason", DOUBTS)
def test_each_condition_alone_keeps_it_unknown(reason: str) -> None:
    verdict = lacking(reason)

    assert (verdict.fate, verdict.reason) == (Fate.UNKNOWN, reason)


@given(st.sets(st.sampled_from(sorted(DOUBTS)), min_size=1))
def test_any_of_them_together_do(reasons: set[str]) -> None:
    verdict = lacking(*sorted(reasons))

    assert verdict.fate is Fate.UNKNOWN
    assert verdict.reason in reasons


@pytest.mark.parametrize(
    ("age", "fate"),
    [
        pytest.param(-MINUTE, Fate.UNKNOWN, id="the clock was set back"),
        pytest.param(MINUTE - SECOND, Fate.UNKNOWN, id="a second too early"),
        pytest.param(MINUTE, Fate.NOT_ACCEPTED, id="--unknown-after has passed"),
        pytest.param(30 * DAY - SECOND, Fate.NOT_ACCEPTED, id="a second less than 30 days"),
        pytest.param(30 * DAY, Fate.UNKNOWN, id="30 days: the history forgets"),
    ],
)
def test_it_is_neither_too_young_nor_too_old(age: timedelta, fate: Fate) -> None:
    assert verdict_of(NOTHING, age=age).fate is fate


def test_unknown_after_may_be_nothing() -> None:
    assert verdict_of(NOTHING, age=timedelta(0), after=timedelta(0)).fate is Fate.NOT_ACCEPTED


@pytest.mark.parametrize(
    ("sent_with", "read_with", "seen", "fate"),
    [
        pytest.param("a", "a", (), Fate.NOT_ACCEPTED, id="the same key"),
        pytest.param("a", "b", (), Fate.UNKNOWN, id="another key"),
        pytest.param("a", "b", ("b",), Fate.UNKNOWN, id="another key, and its own requests"),
        pytest.param("a", "b", ("a",), Fate.NOT_ACCEPTED, id="another key of the same account"),
        pytest.param("", "a", ("a",), Fate.UNKNOWN, id="nobody knows with which key"),
    ],
)
def test_the_history_has_to_be_that_of_its_account(
    sent_with: str, read_with: str, seen: tuple[str, ...], fate: Fate
) -> None:
    found = evidence(account=read_with, accounts=frozenset(seen))

    assert verdict_of(found, lost=replace(LOST, account=sent_with)).fate is fate


@pytest.mark.parametrize(
    ("doubtful", "fate"),
    [
        pytest.param(entry(input=None), Fate.UNKNOWN, id="no input"),
        pytest.param(entry(input=None, after=None), Fate.UNKNOWN, id="no input, no time"),
        pytest.param(entry(after=None), Fate.UNKNOWN, id="the same input, no time"),
        pytest.param(entry(""), Fate.UNKNOWN, id="the same input, no id"),
        pytest.param(entry("", input=None), Fate.UNKNOWN, id="no id, no input"),
        pytest.param(
            entry(input=None, after=-HOUR - SECOND), Fate.NOT_ACCEPTED, id="no input, too early"
        ),
        pytest.param(entry("", after=-HOUR - SECOND), Fate.NOT_ACCEPTED, id="no id, too early"),
        pytest.param(
            entry(input={**INPUT, "seed": 6}, after=None),
            Fate.NOT_ACCEPTED,
            id="another input, no time",
        ),
        pytest.param(
            entry("", input={**INPUT, "seed": 6}), Fate.NOT_ACCEPTED, id="another input, no id"
        ),
    ],
)
def test_an_entry_that_could_be_it_keeps_it_unknown(doubtful: HistoryEntry, fate: Fate) -> None:
    assert verdict_of(evidence(doubtful)).fate is fate


def test_a_request_of_ours_without_its_input_is_no_doubt() -> None:
    found = evidence(entry("r1", input=None), known={"r1": SENT_AT - SECOND})

    assert verdict_of(found).fate is Fate.NOT_ACCEPTED


@pytest.mark.parametrize(
    ("known", "finished", "fate"),
    [
        pytest.param({}, (), Fate.UNKNOWN, id="it shows none of ours"),
        pytest.param({"r": SENT_AT + SECOND}, ("r",), Fate.NOT_ACCEPTED, id="it shows one"),
        pytest.param({"r": SENT_AT + SECOND}, (), Fate.UNKNOWN, id="it shows one that still runs"),
        pytest.param({"r": SENT_AT}, ("r",), Fate.UNKNOWN, id="it shows one of the same moment"),
        pytest.param({"r": SENT_AT - SECOND}, ("r",), Fate.UNKNOWN, id="it shows an earlier one"),
        pytest.param(
            {"r": SENT_AT - SECOND, "s": SENT_AT + SECOND},
            ("r", "s"),
            Fate.NOT_ACCEPTED,
            id="it shows both",
        ),
    ],
)
def test_where_a_later_request_has_finished_the_history_shows_such_a_one(
    known: dict[str, datetime], finished: tuple[str, ...], fate: Fate
) -> None:
    found = evidence(known=known, finished=frozenset(finished))

    assert verdict_of(found, lost=replace(LOST, has_later_end=True)).fate is fate
    assert verdict_of(found).fate is Fate.NOT_ACCEPTED


def test_one_entry_settles_one_submission_the_oldest_first() -> None:
    young, old = (
        replace(LOST, number=2, at=SENT_AT + 10 * SECOND),
        replace(LOST, number=1),
    )
    found = evidence(entry("late", after=11 * SECOND), entry("early"))
    now = SENT_AT + HOUR

    both = settle([young, old], found, now=now, unknown_after=MINUTE)
    one = settle([young, old], evidence(entry("early")), now=now, unknown_after=MINUTE)

    assert fates(both) == {1: "early", 2: "late"}
    assert fates(one) == {1: "early", 2: "not accepted"}


def test_an_entry_without_a_time_comes_after_those_that_have_one() -> None:
    found = evidence(entry("r0", after=None), entry("r1"))

    verdicts = settle(
        [LOST, replace(LOST, number=2)], found, now=SENT_AT + HOUR, unknown_after=MINUTE
    )

    assert fates(verdicts) == {1: "r1", 2: "unknown"}


_STEPS = st.integers(-4, 30)


@given(
    lost=st.lists(st.tuples(_STEPS, st.integers(0, 2)), max_size=6),
    shown=st.lists(st.tuples(_STEPS, st.integers(0, 2), st.booleans()), max_size=6),
)
def test_no_entry_settles_two_and_none_that_is_ours(
    lost: list[tuple[int, int]], shown: list[tuple[int, int, bool]]
) -> None:
    submissions = [
        replace(LOST, number=number, at=SENT_AT + step * 30 * MINUTE, input={"seed": seed})
        for number, (step, seed) in enumerate(lost)
    ]
    entries = [
        entry(f"r{place}", after=step * 30 * MINUTE, input={"seed": seed, "added": 1})
        for place, (step, seed, _) in enumerate(shown)
    ]
    known = {f"r{place}": SENT_AT for place, (*_, is_ours) in enumerate(shown) if is_ours}

    verdicts = settle(
        submissions,
        evidence(*entries, known=known),
        now=SENT_AT + DAY,
        unknown_after=MINUTE,
    )

    found = [one.entry for one in verdicts if one.entry is not None]
    ids = [one.request_id for one in found]
    assert len(verdicts) == len(submissions)
    assert len(ids) == len(set(ids))
    assert not known.keys() & set(ids)
    assert all(one.entry is None or is_entry_of(one.entry, one.lost) for one in verdicts)
    # What is left over fits nobody who was left without one.
    left = [one for one in entries if one.request_id not in {*ids, *known}]
    lacking = [one.lost for one in verdicts if one.entry is None]
    assert not any(is_entry_of(one, submission) for one in left for submission in lacking)
