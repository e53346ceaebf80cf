"""Run a coroutine to its end: on the faster event loop, or whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

# So many more objects than before may live until cyclic garbage among them is looked for.
RARELY = 20_000

T = TypeVar("T")


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own and return what it returns."""
    _fill_standard_streams()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def collect_rarely() -> None:
    """Have Python look for cyclic garbage rarely; for a process that is about to run a batch.

    By default it looks each time when 700 more objects live than before. A run makes many that
    are gone in a moment without being looked for, and hardly any cycles.
    """
    gc.freeze()
    gc.set_threshold(RARELY, 20, 20)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do some work and return what it returns; who is cancelled meanwhile ends when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the faster event loop; None where it is not installed (Windows)."""
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _fill_standard_streams() -> None:
    """Leave none of the three standard streams closed, as a careful parent may have done.

    The next file or socket would take its number, and the faster event loop ends the process when
    it closes a socket of such a number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free
