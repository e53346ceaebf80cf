"""How many open requests are enough, from how many were at work while so many were open.

What is at work, and a few more so that the next one is always there, is enough: as long as more
open requests do not mean more at work. That cannot be seen, only tried. A service may call a
request queued although a runner is free; then a part of all that is open counts as queued, however
many these are, and whoever concludes from it how many are enough concludes less each time. So each
reduction is a trial that is taken back where it hurts, and now and then, or at once where less is
at work than before, more are tried, and kept where they help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Queued beyond what is at work: this part of it, or so many times what that varies by.
SPARE = 0.16
SPREADS = 2.0

# More, or less, at work than before: by this part, and one.
RISE = 0.03
FALL = 0.08

# How many more are tried: this part of what is at work, and two at least; twice as many after each
# time that it has helped.
STEP = 0.2
LEAST_STEP = 2.0

# More have helped, or fewer have hurt, where what is at work has changed by this part of what it
# would have if all that is open were at work.
HELPS = 0.25
HURTS = 0.5

# After a trial that has taught nothing the next one is twice as far away, up to so many rounds.
MOST_CALM = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """More, or fewer, open requests than before, to see what that does.

    Attributes:
        step: How many more; below 0 fewer.
        before: How many were at work before.
    """

    step: float
    before: float


@dataclass(slots=True, kw_only=True)
class Enough:
    """How many open requests are enough.

    Attributes:
        most: The most that may be open in any case.
        size: How many may be open.
        at_work: How many are at work; below 0 before the first round.
    """

    most: int
    size: float
    at_work: float = -1.0
    _spread: float = 0.0
    _trial: Trial | None = None
    _stride: float = 1.0
    _was_less: bool = False
    _has_climbed: bool = False
    _calm: int = 1
    _rounds: int = 0

    def after_round(self, at_work: float, *, spread: float) -> int:
        """Return how many may be open, after so many were at work while so many were.

        Args:
            at_work: The mean of what was seen.
            spread: What that varied by.
        """
        self._spread += 0.5 * (spread - self._spread)
        trial, self._trial = self._trial, None
        if trial is not None:
            self._judge(trial, at_work)
        elif self.at_work < 0.0:
            self.at_work = at_work
            self._try_less()
        else:
            self._follow(at_work)
        return max(1, min(self.most, math.floor(self.size + 0.5)))

    @property
    def _target(self) -> float:
        """How many would be enough, if places told everything."""
        return self.at_work + max(1.0, SPREADS * self._spread, SPARE * self.at_work)

    @property
    def _step(self) -> float:
        return max(LEAST_STEP, STEP * self.at_work)

    def _follow(self, at_work: float) -> None:
        """After a round without a trial, see whether anything has changed, and go on."""
        change = at_work - self.at_work
        if change < -1.0 - FALL * self.at_work:
            self.at_work = at_work
            self._calm, self._rounds = 1, 0
            self._try_more()
            return
        self.at_work += change if change > 1.0 + RISE * self.at_work else 0.5 * change
        self.size = max(self.size, self._target)
        self._rounds += 1
        if self._rounds >= self._calm and (self._was_less or not self._try_less()):
            self._try_more()

    def _judge(self, trial: Trial, at_work: float) -> None:
        """Keep what a trial has changed, or take it back."""
        self._rounds = 0
        if trial.step > 0.0:
            self._judge_more(trial, at_work)
        else:
            self._judge_less(trial, at_work)

    def _judge_more(self, trial: Trial, at_work: float) -> None:
        if at_work - trial.before >= HELPS * self._expected(trial):
            self.at_work = at_work
            self._calm, self._stride = 1, 2.0 * self._stride
            self._try_more()
            return
        self.size -= trial.step
        self.at_work = 0.5 * (trial.before + at_work)
        self._stride = 1.0
        self._rest_longer()

    def _judge_less(self, trial: Trial, at_work: float) -> None:
        most = min(-HURTS * self._expected(trial), 1.0 + FALL * trial.before)
        if trial.before - at_work < most:
            self.at_work = 0.5 * (trial.before + at_work)
            self._try_less()
        elif -trial.step > 2.0 * self._step and not self._has_climbed:
            # Somewhere between: that is found from below, once.
            self._has_climbed = True
            self.at_work = at_work
            self._try_more()
        else:
            self.size -= trial.step
            self._rest_longer()

    def _expected(self, trial: Trial) -> float:
        """Return how many more would be at work if the same part of all that is open were."""
        return trial.before * trial.step / (self.size - trial.step)

    def _rest_longer(self) -> None:
        self._calm = min(2 * self._calm, MOST_CALM)

    def _try_more(self) -> None:
        self._was_less = False
        step = min(self._stride * self._step, self.most - self.size)
        if step >= 1.0:
            self._try(step)

    def _try_less(self) -> bool:
        excess = self.size - self._target
        if excess < 1.0:
            return False
        self._was_less = True
        self._try(-excess)
        return True

    def _try(self, step: float) -> None:
        self._trial = Trial(step=step, before=self.at_work)
        self.size += step
