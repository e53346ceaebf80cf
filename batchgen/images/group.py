"""Small images that are ready at the same time are saved together: a group commit.

While one group is on its way to the disk, the next one gathers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import NamedTuple

from batchgen.errors import ImageError
from batchgen.images.saved import SavedImage

# So many at most: with `SMALL_BYTES` each it is what one large image may hold in memory.
LARGEST_GROUP = 32

# An image above this size, in bytes, takes longer to decode than to sync, and goes by itself.
SMALL_BYTES = 256 * 1024

Came = SavedImage | ImageError
SaveAll = Callable[[Sequence[tuple[bytes, str]]], Sequence[Came]]


class _Waiting(NamedTuple):
    """An image that is not saved yet, and who is told when it is."""

    image: tuple[bytes, str]
    saved: asyncio.Future[SavedImage]


class Group:
    """The images that wait, for one thread that saves them."""

    def __init__(self, save_all: SaveAll, thread: Executor) -> None:
        """Keep who saves.

        Args:
            save_all: Saves images, each given as its bytes and its stem; returns what came of
                each.
            thread: Where that is done.
        """
        self._save_all = save_all
        self._thread = thread
        self._waiting: list[_Waiting] = []
        self._is_saving = False

    async def save(self, data: bytes, *, stem: str) -> SavedImage:
        """Save an image with those that are ready by now.

        Raises:
            ImageError: It is damaged, or no image.
            StorageError: The disk refused it.
        """
        loop = asyncio.get_running_loop()
        saved: asyncio.Future[SavedImage] = loop.create_future()
        self._waiting.append(_Waiting((data, stem), saved))
        if not self._is_saving:
            self._is_saving = True
            # What else becomes ready in this turn of the loop goes along.
            loop.call_soon(self._save_next, loop)
        return await saved

    def _save_next(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever was cancelled does not wait any more.
        waiting = [one for one in self._waiting if not one.saved.done()]
        group, self._waiting = waiting[:LARGEST_GROUP], waiting[LARGEST_GROUP:]
        self._is_saving = bool(group)
        if group:
            self._thread.submit(self._save, loop, group)

    def _save(self, loop: asyncio.AbstractEventLoop, group: Sequence[_Waiting]) -> None:
        """Save a group, in the thread, and have the loop told."""
        came: Sequence[Came | Exception]
        try:
            came = self._save_all([waiting.image for waiting in group])
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            came = [error] * len(group)
        with suppress(RuntimeError):  # a loop that is closed: nobody waits any more
            loop.call_soon_threadsafe(self._tell, loop, group, came)

    def _tell(
        self,
        loop: asyncio.AbstractEventLoop,
        group: Sequence[_Waiting],
        came: Sequence[Came | Exception],
    ) -> None:
        self._save_next(loop)
        for (_, saved), one in zip(group, came, strict=True):
            if saved.done():  # nobody waits any more
                continue
            if isinstance(one, Exception):
                saved.set_exception(one)
            else:
                saved.set_result(one)
