"""What a fault is: a name, the kind of call that it hits, and what happens there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from batchgen.simulator.answer import Answer


class Kind(StrEnum):
    """What can go wrong, and what the n-th of it is counted by.

    All but `RUN` are calls that bear a good key (an image's needs none), counted as they
    arrive; `RUN` is what becomes of a request, counted as they are accepted.
    """

    SUBMIT = "submit"
    RUN = "run"
    STATUS = "status"
    RESULT = "result"
    CANCEL = "cancel"
    STREAM = "stream"
    IMAGE = "image"
    HISTORY = "history"
    PRICING = "pricing"


class Silence(StrEnum):
    """The ways to give no answer."""

    CLOSED = "closed"  # the connection is closed in order
    RESET = "reset"  # the connection is reset
    HANGING = "hanging"  # nothing, for as long as the client waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Another answer in place of the true one.

    Attributes:
        answer: What is sent.
        accepted: Of a submission: whether the request was accepted all the same.
    """

    answer: Answer
    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReply:
    """No answer at all.

    Attributes:
        how: What the client sees instead.
        accepted: Of a submission: whether the request was accepted all the same.
    """

    how: Silence
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """The true answer, late."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to a page that notes who came, with the key or without; never the answer."""


@dataclass(frozen=True, slots=True)
class Change:
    """The true answer, changed: whoever shapes it looks for the fault's name."""


Effect: TypeAlias = Reply | NoReply | Slow | Redirect | Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which the service misbehaves.

    Attributes:
        name: Unique; words joined by `_`.
        on: The kind of call that it hits.
        text: What happens, for the documentation.
        effect: What happens, for the program.
        alias: Another name for it, or `""`.
    """

    name: str
    on: Kind
    text: str
    effect: Effect = Change()
    alias: str = ""
