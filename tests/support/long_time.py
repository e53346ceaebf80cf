"""A quick clock that can be set: put forward, put back, or merely wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from support.workshop import QuickTime

from batchgen.clock import Clock


@dataclass(slots=True)
class LongTime:
    """The time of day is ahead of a quick clock's; its other hands are not.

    Attributes:
        quick: The clock that runs.
        ahead: By how much.
    """

    quick: QuickTime = field(default_factory=QuickTime)
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.quick.now() + self.ahead

    def timestamp(self) -> float:
        return self.now().timestamp()

    @property
    def clock(self) -> Clock:
        return replace(self.quick.clock, now=self.now)
