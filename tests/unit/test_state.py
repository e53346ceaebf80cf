"""The moves of attempts and of jobs: every pair of states, against the pictures."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import product

import pytest

import batchgen.state
from batchgen.state import UNSETTLED, AttemptState, IllegalTransitionError, JobState, advance

_, ATTEMPTS, JOBS = re.split(r"::\n\n", batchgen.state.__doc__ or "")


def drawn_moves(picture: str) -> set[tuple[str, str]]:
    """Read a picture: each arrow leads from a word, or from the branch of one above it."""
    lines = picture.splitlines()
    moves = set()
    for row, line in enumerate(lines):
        for arrow in re.finditer(r"(\S?)(─+)▶ ([A-Z]+)", line):
            branch, target = arrow[1], arrow[3]
            if branch in ("└", "├"):
                source = word_above(lines, row, arrow.start())
            else:
                source = re.findall(r"[A-Z]+", line[: arrow.start()])[-1]
            moves.add((source.lower(), target.lower()))
    return moves


def word_above(lines: list[str], row: int, column: int) -> str:
    while not lines[row][column].isalpha():
        row -= 1
    return next(
        word[0]
        for word in re.finditer(r"[A-Z]+", lines[row])
        if word.start() <= column < word.end()
    )


def pairs(states: type[StrEnum]) -> list[object]:
    return [
        pytest.param(state, to, id=f"{state} to {to}") for state, to in product(states, repeat=2)
    ]


def moves(state: AttemptState | JobState, to: AttemptState | JobState) -> bool:
    try:
        return advance(state, to) is to
    except IllegalTransitionError:
        return False


@pytest.mark.parametrize(("state", "to"), pairs(AttemptState))
def test_an_attempt_moves_as_the_picture_shows_and_not_otherwise(
    state: AttemptState, to: AttemptState
) -> None:
    assert moves(state, to) is ((state, to) in drawn_moves(ATTEMPTS))


@pytest.mark.parametrize(("state", "to"), pairs(JobState))
def test_a_job_moves_as_the_picture_shows_and_not_otherwise(state: JobState, to: JobState) -> None:
    assert moves(state, to) is ((state, to) in drawn_moves(JOBS))


def test_the_pictures_show_every_state() -> None:
    assert {state for move in drawn_moves(ATTEMPTS) for state in move} == set(AttemptState)
    assert {state for move in drawn_moves(JOBS) for state in move} == set(JobState)


def test_a_move_that_is_not_in_the_table_names_both_states() -> None:
    with pytest.raises(IllegalTransitionError, match="completed cannot become submitted"):
        advance(AttemptState.COMPLETED, AttemptState.SUBMITTED)


def test_what_is_settled_may_go_nowhere() -> None:
    settled = set(AttemptState) - UNSETTLED

    assert {state for state, _ in drawn_moves(ATTEMPTS)} == UNSETTLED
    assert not any(moves(state, to) for state, to in product(settled, AttemptState))
