"""Turn a URL, or bytes, into a verified file: whole or not at all."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from batchgen.errors import ImageError, StorageError
from batchgen.images.addresses import LOOPBACK_REACH, PUBLIC_REACH, Reach
from batchgen.images.formats import FORMATS, sniff
from batchgen.images.group import SMALL_BYTES, Group
from batchgen.images.inspection import measure, measure_file
from batchgen.images.parts import Parts
from batchgen.images.process import ImageProcess
from batchgen.images.saved import SavedImage
from batchgen.images.shared_sync import SharedSync
from batchgen.images.together import put_together
from batchgen.images.web import Body, FetchLimits, ImageWeb

# Images up to this size are collected in memory and go to the disk in one go. A 4K PNG may be
# larger, and goes there piece by piece.
IN_MEMORY_BYTES = 8 * 1024 * 1024

# Decoding needs a core, syncing only waits: a few more threads than cores keep both busy.
DISK_THREADS = min(16, (os.cpu_count() or 1) + 6)

_T = TypeVar("_T")


class ImageStore:
    """The images of a batch.

    `save` and `check` work by themselves and block; `download` needs the async context.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loopback: bool,
        limits: FetchLimits | None = None,
        reach: Reach | None = None,
        tls: ssl.SSLContext | None = None,
        sync: Callable[[int], None] = os.fsync,
        shared: SharedSync | None = None,
        process: ImageProcess | None = None,
    ) -> None:
        """Keep what is needed; nothing is connected before the context is entered.

        Args:
            folder: The batch's folder; it exists.
            loopback: The queue itself is on loopback, so images may come from private
                addresses, and from loopback over plain http.
            limits: How long an image may take, and how large it may be.
            reach: Where images may come from, instead of what `loopback` says.
            tls: Which certificates to trust; the system's if None.
            sync: Makes a file descriptor durable; passed in so that tests can let it fail.
            shared: Makes many files of the folder durable at once; None where nothing does.
            process: What takes over when images come fast, with the limits, the reach and the
                certificates that are usual; the store closes it.
        """
        allowed = reach or (LOOPBACK_REACH if loopback else PUBLIC_REACH)
        self._parts = Parts(folder, sync=sync)
        self._shared = shared
        self._web = ImageWeb(reach=allowed, limits=limits or FetchLimits(), tls=tls)
        self._process = process
        self._threads: ThreadPoolExecutor
        self._group: Group

    async def __aenter__(self) -> Self:
        self._threads = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="images")
        self._group = Group(self.save_all, self._threads)
        await self._web.open_sessions()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process is not None:
            await self._process.close()
            if self._process.pid is not None:
                self._parts.remove_parts_of(self._process.pid)
        await self._web.close_sessions()
        # An image that is being written is written to its end; it takes a moment at most.
        await asyncio.to_thread(self._threads.shutdown)
        self._parts.remove_folder()

    async def download(self, url: str, *, stem: str, size_hint: int | None = None) -> SavedImage:
        """Fetch an image and save it; when this returns, the file survives a power cut.

        Args:
            url: Where the image is.
            stem: The file's name, relative to the batch's folder, without its extension.
            size_hint: How many bytes the result of the request spoke of. It counts where the
                image's host does not announce a length itself: the host knows better.

        Raises:
            ImageError: It could not be fetched, came damaged, or is no image. `gone` is set if
                its host says that it no longer exists.
            StorageError: The disk refused it.
        """
        if self._process is not None:
            saved = await self._process.download(url, stem=stem, size_hint=size_hint)
            if saved is not None:
                return saved
        return await self._download(url, stem=stem, size_hint=size_hint)

    async def _download(self, url: str, *, stem: str, size_hint: int | None) -> SavedImage:
        """Fetch an image and save it, in this process."""
        part: Path | None = None
        try:
            async with self._web.open(url) as body:
                data = await body.read(IN_MEMORY_BYTES)
                if len(data) >= IN_MEMORY_BYTES:
                    sniff(data)
                    part = self._parts.new()
                    await self._spill(part, data, body)
            _check_length(body, size_hint)
            if part is None and self._goes_along(data):
                return await self._group.save(data, stem=stem)
            if part is None:
                return await self._in_thread(partial(self.save, data, stem=stem))
            return await self._in_thread(partial(self._adopt, part, stem))
        finally:
            if part is not None:
                # Nobody waits for this: nothing depends on it, and we may have been cancelled.
                self._threads.submit(self._parts.discard, part)

    def save(self, data: bytes, *, stem: str) -> SavedImage:
        """Save an image; when this returns, the file survives a power cut.

        Args:
            data: The whole image.
            stem: The file's name, relative to the batch's folder, without its extension.

        Raises:
            ImageError: It is damaged, or no image.
            StorageError: The disk refused it.
        """
        measures = measure(data, BytesIO(data))
        file = f"{stem}.{measures.format.extension}"
        self._parts.put(data, file)
        return SavedImage.measured(file, measures)

    def save_all(self, images: Sequence[tuple[bytes, str]]) -> list[SavedImage | ImageError]:
        """Save images, as `save` does, with as few syncs for them as can be.

        Args:
            images: The bytes of each, and its stem.

        Returns:
            For each what was saved, or why it was not.
        """
        checked = [_checked(data, stem) for data, stem in images]
        files = [
            (data, one.file)
            for (data, _), one in zip(images, checked, strict=True)
            if isinstance(one, SavedImage)
        ]
        problems = iter(self._put_all(files))
        return [(next(problems) or one) if isinstance(one, SavedImage) else one for one in checked]

    def check(self, file: str, sha256: str = "") -> SavedImage | None:
        """Return what is on disk under a name, measured; None if it is missing or damaged.

        Args:
            file: The name, relative to the batch's folder; nothing is there under one that
                leads out of it.
            sha256: What its bytes should hash to, in hex; `""` if that is not known.

        Raises:
            StorageError: The disk could not be read.
        """
        try:
            saved = SavedImage.measured(file, measure_file(self._parts.path_of(file)))
        except StorageError:
            raise
        except ImageError:
            return None
        return saved if sha256 in ("", saved.sha256) else None

    def path_of(self, file: str) -> Path:
        """Return where a file of the batch lies.

        Args:
            file: The name, relative to the batch's folder.

        Raises:
            ImageError: The name leads out of the batch's folder.
        """
        return self._parts.path_of(file)

    def find(self, *, stem: str) -> SavedImage | None:
        """Return the image that is on disk under a name, whatever its extension; None if none is.

        A crash may have come between an image and its row: the name is known then, the
        extension is not.

        Args:
            stem: The file's name, relative to the batch's folder, without its extension.

        Raises:
            StorageError: The disk could not be read.
        """
        for image_format in FORMATS:
            if saved := self.check(f"{stem}.{image_format.extension}"):
                return saved
        return None

    def remove_leftovers(self) -> int:
        """Remove what crashes have left of images and return how many files that were.

        Only the batch's one writer may do this, before it saves anything.

        Raises:
            StorageError: The disk refused it.
        """
        return self._parts.remove_leftovers()

    def _goes_along(self, data: bytes) -> bool:
        """Say whether an image is saved with others that are ready at the same time."""
        return len(data) <= SMALL_BYTES and self._shared is not None and self._shared.pays

    async def _spill(self, part: Path, data: bytes, body: Body) -> None:
        """Write the bytes that were read, and those that still come, to a part."""
        await self._in_thread(partial(self._parts.begin, part, data))
        while block := await body.read(IN_MEMORY_BYTES):
            await self._in_thread(partial(self._parts.append, part, block))

    def _put_all(self, files: Sequence[tuple[bytes, str]]) -> list[ImageError | None]:
        """Put files, by themselves where there are not several, or no sync serves several."""
        if len(files) > 1 and self._shared is not None:
            return put_together(files, self._parts, shared=self._shared)
        return [_error_of(partial(self._parts.put, data, file)) for data, file in files]

    def _adopt(self, part: Path, stem: str) -> SavedImage:
        measures = measure_file(part)
        file = f"{stem}.{measures.format.extension}"
        self._parts.place(part, file)
        return SavedImage.measured(file, measures)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        """Return what some work returns, or raise what it raises, from a thread of the disk's."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        # One wake-up of the loop, where an executor's own future takes three turns of it.
        self._threads.submit(_work_for, done, loop, work)
        return await done


def _checked(data: bytes, stem: str) -> SavedImage | ImageError:
    """Return what an image will be on disk, or what is wrong with it."""
    try:
        measures = measure(data, BytesIO(data))
    except ImageError as error:
        return error
    return SavedImage.measured(f"{stem}.{measures.format.extension}", measures)


def _error_of(work: Callable[[], None]) -> ImageError | None:
    try:
        work()
    except ImageError as error:
        return error
    return None


def _work_for(
    done: asyncio.Future[_T], loop: asyncio.AbstractEventLoop, work: Callable[[], _T]
) -> None:
    """Do some work in this thread, and have the loop tell whoever waits for it."""
    try:
        result = work()
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        tell = partial(_fail, done, error)
    else:
        tell = partial(_succeed, done, result)
    with suppress(RuntimeError):  # a loop that is closed: nobody waits any more
        loop.call_soon_threadsafe(tell)


def _succeed(done: asyncio.Future[_T], result: _T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[_T], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)


def _check_length(body: Body, size_hint: int | None) -> None:
    if body.length is None and size_hint and body.received != size_hint:
        raise ImageError(
            f"{body.received:,} bytes of the image came; its result spoke of {size_hint:,}"
        )
