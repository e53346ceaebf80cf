"""Why a run ends before its work is done, and what that means for its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Why a run stops submitting: the exit code that it leads to, and a few words for it."""

    SIGNAL = (130, "interrupted")
    KEY = (3, "the key")
    LOCKED = (3, "the account is locked")
    ENDPOINT = (3, "the endpoint")
    ACCOUNT = (3, "another account")
    BUDGET = (3, "the budget")
    DISK = (3, "the disk")
    FAILURES = (3, "too many failures")
    NO_ANSWER = (3, "no answer from the service")
    UNTIL = (4, "--until")
    CANCELLED = (4, "batchgen cancel")

    @property
    def code(self) -> int:
        """The exit code that it leads to while work is left."""
        return self.value[0]

    @property
    def label(self) -> str:
        """A few words for it."""
        return self.value[1]

    @property
    def must_be_mended(self) -> bool:
        """Whether the user has to do something before a further run can help."""
        return self.code == 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A run stops submitting.

    Attributes:
        cause: Why.
        text: Why, for a person, in a sentence's middle: "fal has locked the account …".
        mend: What to do about it, or `""`.
    """

    cause: Cause
    text: str
    mend: str = ""
