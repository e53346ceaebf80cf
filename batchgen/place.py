"""Where the rows of a result are that waits for its images, as one number.

A batch that was run without downloads has as many of them as jobs. A number of 28 bytes takes a
tenth of the memory of what it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

# Bits for a place in a file (256 TB), and for a time's seventeen digits.
_OFFSET_BITS = 48
_TIME_BITS = 57

_NOT_DIGITS = str.maketrans("", "", "-:.TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What tells a result that waits from all others that stand like it.

    Attributes:
        started: Where the `submitting` row of its attempt begins in the journal, in bytes.
        last: Where its `completed` row begins.
        submitted_at: The time of its `submitted` row, as our files have it.
        at: The time of its `completed` row.
    """

    started: int
    last: int
    submitted_at: str
    at: str

    def packed(self) -> int:
        """Return it as one number."""
        number = _digits(self.at) << _TIME_BITS | _digits(self.submitted_at)
        return (number << _OFFSET_BITS | self.last) << _OFFSET_BITS | self.started

    @classmethod
    def unpack(cls, number: int) -> Place:
        """Return what `packed` made a number of."""
        offset, time = (1 << _OFFSET_BITS) - 1, (1 << _TIME_BITS) - 1
        times = number >> 2 * _OFFSET_BITS
        return cls(
            started=number & offset,
            last=number >> _OFFSET_BITS & offset,
            submitted_at=_time(times & time),
            at=_time(times >> _TIME_BITS),
        )


def _digits(at: str) -> int:
    return int(at.translate(_NOT_DIGITS) or 0)


def _time(digits: int) -> str:
    if not digits:
        return ""
    text = f"{digits:017d}"
    day, hour = f"{text[:4]}-{text[4:6]}-{text[6:8]}", f"{text[8:10]}:{text[10:12]}"
    return f"{day}T{hour}:{text[12:14]}.{text[14:]}Z"
