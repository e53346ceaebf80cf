"""Numbers and booleans that print as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.scalar import kind_of, print_number, print_scalar, read_number, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("0", 0),
        ("-3", -3),
        ("0.5", 0.5),
        ("-0.25", -0.25),
        ("0.0000001", 0.0000001),
        ("9007199254740991", 9007199254740991),
        ("true", True),
        ("false", False),
    ],
)
def test_what_prints_as_it_is_written_is_a_number_or_a_boolean(text: str, value: object) -> None:
    read = read_scalar(text)

    assert read == value
    assert type(read) is type(value)
    assert print_scalar(read) == text


@pytest.mark.parametrize(
    "text",
    [
        "1.10", "007", "1e5", "0x10", "1_000", ".5", "5.", "+1", "-0", "-0.0", "2.0", "00", "1:1",
        "no", "on", "TRUE", "True", "NA", "null", "~", "", " 2", "2 ", "٣", "-", "9007199254740992",
        "12345678901234567890", "0.1000000000000000055", "1" * 5000, "nan", "inf",
    ],
)  # fmt: skip
def test_everything_else_is_text(text: str) -> None:
    assert read_scalar(text) == text
    assert isinstance(read_scalar(text), str)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.-+e_ x") | st.text())
def test_whatever_is_read_prints_as_it_was_written(text: str) -> None:
    assert print_scalar(read_scalar(text)) == text


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_prints_without_exponent_and_keeps_its_value(number: float) -> None:
    printed = print_number(number)

    assert "e" not in printed
    assert not printed.endswith(".0")
    assert float(printed) == number


@settings(deadline=None)
@given(st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6, allow_nan=False))
def test_a_printed_number_is_read_as_that_number(number: float) -> None:
    assert read_number(print_number(number)) == number


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        ({"name": "a fox", "home": "a wood"}, "a mapping (name, home)"),
        (["a", "b"], "a list of 2"),
        (True, "true or false"),
        ("a", "text"),
        (0.5, "a number"),
    ],
)
def test_a_value_has_a_word_for_what_it_is(value: object, kind: str) -> None:
    assert kind_of(value) == kind  # type: ignore[arg-type]  # the table mixes types


@pytest.mark.parametrize("value", [None, {}, [1], float("nan"), float("inf")])
def test_what_is_no_scalar_is_not_printed(value: object) -> None:
    with pytest.raises(ValueError, match=r"it is|is not a number"):
        print_scalar(value)  # type: ignore[arg-type]  # the table mixes types
