"""Why a run ends before its work is done, and what that means for its exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from batchgen.errors import AccountError
from batchgen.retry import Again, again
from batchgen.settings import FailureLimit

# So many jobs that fail in the same way at the very start mean that the manifest is wrong.
CANARY = 5

# Failures of one job that say nothing of how the next one is written.
OF_ONE_JOB = frozenset(
    {
        "content_policy_violation",
        "client_cancelled",
        "client_disconnected",
        "template",
        "lost",
        "expired",
        "missing_image",
        "empty_result",
        "download",
        "uncertain",
    }
)


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
    MISTAKE = (3, "a mistake of batchgen itself")
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


NO_KEY = Stop(cause=Cause.KEY, text="there is no key", mend='export FAL_KEY="id:secret"')


def stop_for_account(error: AccountError) -> Stop:
    """Return why a run stops whose account, key or endpoint is at fault."""
    match error.cause:
        case "key":
            text, mend = f'fal does not take the key ("{error}")', "check FAL_KEY"
            return Stop(cause=Cause.KEY, text=text, mend=mend)
        case "locked":
            reason = str(error).removeprefix("User is locked. Reason: ")
            text, mend = f'fal has locked the account ("{reason}")', "top up"
            return Stop(cause=Cause.LOCKED, text=text, mend=mend)
        case "endpoint":
            text = f'fal does not know the endpoint ("{error}")'
            return Stop(cause=Cause.ENDPOINT, text=text, mend="check endpoint in the manifest")
        case _:
            text = (
                f"the queue answers with a redirect (HTTP {error.http}), and the key follows none"
            )
            return Stop(cause=Cause.ENDPOINT, text=text, mend="check BATCHGEN_QUEUE_URL")


@dataclass(slots=True, kw_only=True)
class FailureGuard:
    """Stops a run in which too many jobs fail.

    Attributes:
        limit: `--max-failures`, or None.
    """

    limit: FailureLimit | None = None
    _first: list[str] = field(default_factory=list)

    def check(self, error_type: str, *, failed: int, ended: int) -> Stop | None:
        """Return why the run stops after one more job has failed, or None.

        Args:
            error_type: How it failed.
            failed: Jobs that failed for good in this run, this one included.
            ended: Jobs that ended in this run.
        """
        if (stop := self.check_limit(failed=failed, ended=ended)) is not None:
            return stop
        if failed == ended <= CANARY and _is_of_the_input(error_type):
            self._first.append(error_type)
        if len(self._first) == CANARY and len(set(self._first)) == 1:
            self._first.clear()
            text = (
                f"the first {CANARY} jobs have all failed with {error_type}, so the rest would too"
            )
            return Stop(cause=Cause.FAILURES, text=text, mend="look at the failures")
        return None

    def check_limit(self, *, failed: int, ended: int) -> Stop | None:
        """Return why the run stops by `--max-failures`, or None; the counts are as in `check`."""
        if self.limit is None or not self.limit.is_reached(failed=failed, ended=ended):
            return None
        text = f"{failed:,} jobs have failed in this run (--max-failures {self.limit})"
        return Stop(cause=Cause.FAILURES, text=text, mend="look at the failures")


def _is_of_the_input(error_type: str) -> bool:
    """Say whether an error is a refusal of what was sent, which the next job would share."""
    is_the_services = error_type.startswith("http_5") or again(error_type) is not Again.NEVER
    return not is_the_services and error_type not in OF_ONE_JOB
