"""What Ctrl-C, SIGTERM and SIGHUP do to a run: the first, the second, the third."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType

from batchgen.cli.layout import counted
from batchgen.cli.talk import say
from batchgen.runner import Runner
from batchgen.stop import Cause, Stop

INTERRUPTED = 130

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """Obeys the signals that end a run, from now to the end of the process.

    The first: nothing more is submitted, what is open is read and saved. The second: nothing more
    is read; POSTs that are out get a moment for their answers. The third: the process ends at once.
    Before the run has begun nothing is sent, so the first ends the command.
    """

    def __init__(self) -> None:
        """Obey none yet."""
        self._seen = 0
        self._say: Callable[[str], None] = say
        self._runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def obey(self) -> None:
        """Obey from now on; in the main thread of a process that runs one command."""
        self._set(self._receive)

    def ignore(self) -> None:
        """Ignore them from now on: all is said, and nothing but the exit code is left to give."""
        self._set(signal.SIG_IGN)

    def _set(self, handler: signal.Handlers | Callable[[int, FrameType | None], None]) -> None:
        for name in _NAMES:
            number = getattr(signal, name, None)
            # What is ignored stays ignored, as under nohup.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)

    def attach(self, runner: Runner, *, say: Callable[[str], None]) -> None:
        """Let signals reach a run; called from its event loop.

        Args:
            runner: The run.
            say: Says something to a person, beside the progress line.
        """
        self._loop = asyncio.get_running_loop()
        self._runner = runner
        self._say = say

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._seen += 1
        if self._seen >= 3:
            os._exit(INTERRUPTED)
        if self._loop is None:
            raise KeyboardInterrupt
        if not self._loop.is_closed():  # else the run is over, and says so in a moment
            self._loop.call_soon_threadsafe(self._act, self._seen)

    def _act(self, seen: int) -> None:
        runner = self._runner
        if runner is None:
            return
        if seen == 1:
            runner.course.stop(Stop(cause=Cause.SIGNAL, text="interrupted"))
            self._say(_stopping(runner))
        else:
            runner.course.hurry()
            self._say("Leaving what is open for the next run; it is on record.")


def _stopping(runner: Runner) -> str:
    dispatcher = runner.dispatcher
    waited_for = []
    if open_ := dispatcher.gate.window.open:
        waited_for.append(counted(open_, "open request"))
    if waiting := dispatcher.downloads.unfinished:
        waited_for.append(counted(waiting, "download"))
    if not waited_for:
        return "Stopping: nothing more is submitted."
    verb = "is" if (open_ + waiting) == 1 else "are"
    return (
        "Stopping: nothing more is submitted; "
        f"{' and '.join(waited_for)} {verb} being waited for.\n"
        "Ctrl-C again leaves them for the next run."
    )
