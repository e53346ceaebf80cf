"""Losing a terminal or a pipe ends no run."""

from __future__ import annotations

import io

import pytest

from batchgen.cli.talk import _Patient


class Gone(io.StringIO):
    """A stream whose reader goes away after so many writes."""

    def __init__(self, *, after: int = 0, error: type[Exception] = BrokenPipeError) -> None:
        super().__init__()
        self.left = after
        self.error = error

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error("gone")
        return super().write(text)

    def flush(self) -> None:
        if self.left < 0:
            raise self.error("gone")

    def isatty(self) -> bool:
        if self.left < 0:
            raise self.error("gone")
        return True

    def fileno(self) -> int:
        raise OSError("there is none")


class Ascii(io.TextIOWrapper):
    """A terminal that knows few letters."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="ascii", write_through=True)


def test_what_is_written_arrives() -> None:
    stream = io.StringIO()
    patient = _Patient(stream)

    patient.write("one ")
    patient.write("two\n")
    patient.flush()

    assert stream.getvalue() == "one two\n"


@pytest.mark.parametrize("error", [BrokenPipeError, OSError, ValueError])
def test_a_reader_that_has_gone_is_not_missed(error: type[Exception]) -> None:
    stream = Gone(after=1, error=error)
    patient = _Patient(stream)

    counts = [patient.write("a line\n") for _ in range(3)]
    patient.flush()

    assert counts == [7, 7, 7]
    assert stream.getvalue() == "a line\n"
    assert not patient.isatty()


def test_nobody_watches_a_terminal_that_has_gone() -> None:
    assert not _Patient(Gone(after=-1)).isatty()
    assert _Patient(Gone(after=9)).isatty()


def test_letters_that_a_terminal_does_not_know_are_replaced() -> None:
    stream = Ascii()

    _Patient(stream).write("2 × 3 fox·es\n")

    assert stream.bytes.getvalue() == b"2 ? 3 fox?es\n"


def test_its_encoding_is_that_of_the_stream() -> None:
    assert _Patient(Ascii()).encoding == "ascii"
