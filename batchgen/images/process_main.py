"""The process for images, seen from inside: it takes orders and says what came of each.

It is started by `ImageProcess` and ends when the connection to it does.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

from batchgen.errors import ImageError
from batchgen.event_loop import collect_rarely, run_to_end
from batchgen.images.line import Line
from batchgen.images.orders import ALIVE, PULSE_S, READY, Order, outcome_of
from batchgen.images.saved import SavedImage
from batchgen.images.shared_sync import shared_sync
from batchgen.images.store import ImageStore
from batchgen.job import Json

logger = logging.getLogger(__name__)


def main() -> None:
    """Take orders until nobody gives any.

    Arguments: the number of the socket, the batch's folder, and perhaps `--loopback`.
    """
    number, folder, *flags = sys.argv[1:]
    # Whoever wants a run to end asks its main process, which decides what is still stored.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    collect_rarely()
    run_to_end(_serve(socket.socket(fileno=int(number)), Path(folder), loopback=bool(flags)))


async def _serve(orders: socket.socket, folder: Path, *, loopback: bool) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    orders.settimeout(0)
    async with ImageStore(folder, loopback=loopback, shared=shared_sync(folder)) as store:
        storekeeper = _Storekeeper(store)
        line = Line(heard=storekeeper.take, lost=lambda: over.set_result(None))
        storekeeper.line = line
        await loop.create_connection(lambda: line, sock=orders)
        line.say(READY)
        while not over.done():
            await asyncio.wait([over], timeout=PULSE_S)
            line.say(ALIVE)
        await storekeeper.stop()


class _Storekeeper:
    """Carries out orders, as many at a time as are given."""

    def __init__(self, store: ImageStore) -> None:
        self.line: Line
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, message: list[Json]) -> None:
        """Take an order."""
        task = asyncio.create_task(self._carry_out(Order(*message)))  # type: ignore[arg-type]  # our own
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave undone what is not done yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, order: Order) -> None:
        came: SavedImage | ImageError | None = None
        try:
            came = await self._store.download(order.url, stem=order.stem, size_hint=order.size_hint)
        except ImageError as error:
            came = error
        except Exception:
            # The run tries it once more by itself, and logs this when the process has ended.
            logger.exception("%s could not be stored", order.stem)
        self.line.say(outcome_of(order.number, came))


if __name__ == "__main__":
    main()
