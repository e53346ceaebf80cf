"""Arguments in, exit code out; the only package that prints."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    try:
        from batchgen.cli.app import run_command_line  # noqa: PLC0415 - see batchgen.cli.app

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # before a command has begun
        code = 130
    sys.exit(code)
