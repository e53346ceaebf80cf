"""Arguments in, exit code out; the only package that prints."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    _end_like_ctrl_c()
    try:
        from batchgen.cli.app import run_command_line  # noqa: PLC0415 - see batchgen.cli.app

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # before a command has begun
        code = 130
    sys.exit(code)


def _end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, until it knows better itself."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What is ignored stays ignored, as under nohup.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
