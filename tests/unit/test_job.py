"""What a job is: its identity, its seed, and the number behind its id."""

from __future__ import annotations

import hashlib
import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import ENDPOINT, make_job

from batchgen.job import (
    AUTO_SEED,
    Identifier,
    Json,
    automatic_seed,
    identify,
    job_id_of,
    number_of,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**31), 2**31), st.lists(TEXT, max_size=3))
INPUTS = st.dictionaries(TEXT.filter(lambda name: name not in ("prompt", "seed")), VALUES)


def test_the_id_is_made_of_the_canonical_form_of_what_is_sent() -> None:
    job_id = identify(
        endpoint=ENDPOINT,
        input={"seed": AUTO_SEED, "prompt": "a fox", "aspect_ratio": "1:1"},
        repeat=0,
    )

    canonical = (
        b'{"endpoint":"fal-ai/nano-banana-2","input":'
        b'{"aspect_ratio":"1:1","prompt":"a fox","seed":"auto"},"repeat":0}'
    )
    digits = hashlib.sha256(canonical).hexdigest()[:16]
    letters = dict(zip(string.hexdigits[:16], "klmnopqrstuvwxyz", strict=True))
    assert job_id == "".join(letters[digit] for digit in digits)


def test_the_id_of_a_job_never_changes_because_that_would_buy_it_again() -> None:
    assert (
        identify(endpoint=ENDPOINT, input={"prompt": "a fox", "seed": AUTO_SEED}, repeat=0)
        == PINNED
    )


PINNED = "qpsqtktnproywvrr"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"repeat": 0}, {"repeat": 1}, id="takes with automatic seeds"),
        pytest.param({"repeat": None}, {"repeat": 0}, id="a given seed and an automatic one"),
        pytest.param({"key": None}, {"key": ["00751"]}, id="with a key and without"),
        pytest.param({"key": ["00751"]}, {"key": ["00752"]}, id="rows that read alike"),
        pytest.param({"endpoint": "a/b"}, {"endpoint": "a/c"}, id="endpoints"),
        pytest.param({"input": {"n": "2"}}, {"input": {"n": 2}}, id="text and number"),
        pytest.param({"input": {"n": True}}, {"input": {"n": 1}}, id="true and one"),
        pytest.param({"input": {"p": "é"}}, {"input": {"p": "e\u0301"}}, id="two spellings of é"),
    ],
)
def test_these_are_different_jobs(one: dict[str, Json], other: dict[str, Json]) -> None:
    assert identified(**one) != identified(**other)


def identified(**changes: object) -> str:
    parts: dict[str, object] = {"endpoint": ENDPOINT, "input": {"prompt": "a fox"}, "repeat": 0}
    return identify(**{**parts, **changes})  # type: ignore[arg-type]  # one of each kind


@given(INPUTS)
def test_the_order_of_what_is_sent_does_not_matter(input: dict[str, Json]) -> None:
    backwards = dict(reversed(input.items()))

    assert identified(input=input) == identified(input=backwards)


@given(
    input=INPUTS,
    prompt=TEXT,
    seed=st.one_of(st.none(), st.just(AUTO_SEED), st.integers(0, 2**31 - 1)),
    repeat=st.one_of(st.none(), st.integers(0, 1000)),
    key=st.one_of(st.none(), st.lists(TEXT, min_size=1, max_size=2)),
)
def test_the_fast_way_to_an_id_leads_to_the_same_id(
    input: dict[str, Json], prompt: str, seed: int | str | None, repeat: int | None, key: Json
) -> None:
    whole: dict[str, Json] = {**input, "prompt": prompt}
    if seed is not None:
        whole["seed"] = seed

    fast = Identifier(endpoint=ENDPOINT, input=input).number(
        prompt, seed=seed, repeat=repeat, key=key
    )

    assert job_id_of(fast) == identify(endpoint=ENDPOINT, input=whole, repeat=repeat, key=key)


def test_a_prompt_with_half_a_character_has_no_id() -> None:
    with pytest.raises(UnicodeEncodeError):
        Identifier(endpoint=ENDPOINT, input={}).number("\ud83e", seed=1, repeat=None)


@given(st.integers(0, 2**64 - 1))
def test_a_number_stands_for_an_id_and_an_id_for_a_number(number: int) -> None:
    job_id = job_id_of(number)

    assert number_of(job_id) == number
    assert len(job_id) == 16
    assert set(job_id) <= set("klmnopqrstuvwxyz")


@given(st.integers(0, 2**64 - 1))
def test_an_automatic_seed_is_one_that_every_service_takes(number: int) -> None:
    assert 0 <= automatic_seed(job_id_of(number)) < 2**31


def test_an_automatic_seed_depends_on_the_identity_alone() -> None:
    assert automatic_seed(job_id_of(1)) == automatic_seed(job_id_of(1))
    assert automatic_seed(job_id_of(1)) != automatic_seed(job_id_of(2))


@pytest.mark.parametrize(
    ("input", "seed"),
    [
        pytest.param({"seed": 7}, 7, id="a number"),
        pytest.param({"seed": 0}, 0, id="zero is a seed"),
        pytest.param({"seed": True}, None, id="true is none"),
        pytest.param({"seed": "7"}, None, id="text is none"),
    ],
)
def test_the_seed_of_a_job_is_the_one_that_is_sent(
    input: dict[str, Json], seed: int | None
) -> None:
    assert make_job(**input).seed == seed


def test_a_prompt_that_is_no_text_is_shown_as_none() -> None:
    assert make_job(prompt="two\nlines").prompt == "two\nlines"
    assert make_job(prompt=["a", "list"]).prompt == ""  # type: ignore[arg-type]  # what a service may want


def test_a_price_is_decimal() -> None:
    assert make_job(images=3).price_usd == Decimal("0.24")
