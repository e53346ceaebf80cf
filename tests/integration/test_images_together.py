"""Images that are ready at the same time become durable together, each whole or not there."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.image_host import ImageHost, answer
from support.sample_images import sample_image

from batchgen.errors import ImageError, StorageError
from batchgen.images import ImageStore, SavedImage
from batchgen.images.shared_sync import LONG_S, PAUSE_S, SharedSync, shared_sync

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows syncs no folders")

IMAGES = [sample_image("PNG", width=10 + number) for number in range(5)]


class Disk:
    """A disk that notes what is there at each of its syncs, and may refuse some of them."""

    def __init__(self, folder: Path, *, refuses: Callable[[int], bool] = lambda _: False) -> None:
        self.folder = folder
        self.at_syncs: list[list[str]] = []
        self.single = 0
        self.now = 0.0
        self.takes_s = 0.0
        self._refuses = refuses

    @property
    def shared(self) -> SharedSync:
        """What syncs it as a whole."""
        return SharedSync(self.folder.stat().st_dev, self._sync_all, monotonic=lambda: self.now)

    def store(self, shared: SharedSync | None = None) -> ImageStore:
        return ImageStore(
            self.folder, loopback=True, sync=self._sync_one, shared=shared or self.shared
        )

    def files(self) -> list[str]:
        return sorted(
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        )

    def _sync_all(self, handle: int) -> None:
        assert os.fstat(handle).st_dev == self.folder.stat().st_dev
        self.at_syncs.append(self.files())
        self.now += self.takes_s
        if self._refuses(len(self.at_syncs)):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _sync_one(self, handle: int) -> None:
        self.single += 1
        os.fsync(handle)


def five() -> list[tuple[bytes, str]]:
    return [(image, f"images/{n % 2}/{n}") for n, image in enumerate(IMAGES)]


FILES = ["images/0/0.png", "images/0/2.png", "images/0/4.png", "images/1/1.png", "images/1/3.png"]


def test_five_images_take_two_syncs_one_before_their_names_and_one_after(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    came = disk.store().save_all(five())

    assert [one.file for one in came if isinstance(one, SavedImage)] == [
        f"images/{n % 2}/{n}.png" for n in range(5)
    ]
    first, second = disk.at_syncs
    assert len(first) == 5
    assert all(file.startswith("images/.part/") for file in first)
    assert second == disk.files() == FILES
    assert disk.single == 0


def test_what_is_told_of_an_image_is_the_same_as_when_it_is_saved_by_itself(
    tmp_path: Path,
) -> None:
    store = Disk(tmp_path).store()

    came = store.save_all(five())

    assert came == [store.check(f"images/{n % 2}/{n}.png") for n in range(5)]
    assert [(tmp_path / f"images/{n % 2}/{n}.png").read_bytes() for n in range(5)] == IMAGES


def test_one_image_is_synced_by_itself(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    [saved] = disk.store().save_all(five()[:1])

    assert isinstance(saved, SavedImage)
    assert not disk.at_syncs
    assert disk.single >= 2


def test_images_that_fail_leave_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1").write_text("a file where a folder should be")
    images = five()
    images[2] = (images[2][0][:-1], images[2][1])
    images[4] = (images[4][0], "../4")

    came = Disk(tmp_path).store().save_all(images)

    assert isinstance(came[0], SavedImage)
    assert isinstance(came[1], StorageError)
    assert isinstance(came[3], StorageError)
    assert "damaged or ends early" in str(came[2])
    assert "is not a file of this batch" in str(came[4])
    assert Disk(tmp_path).files() == ["images/0/0.png", "images/1"]


@pytest.mark.parametrize(
    "refused", [pytest.param(1, id="of the bytes"), pytest.param(2, id="of the names")]
)
def test_a_sync_that_fails_may_be_others_fault_so_each_image_is_synced_by_itself(
    tmp_path: Path, refused: int, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(tmp_path, refuses=lambda number: number == refused)
    shared = disk.shared

    came = disk.store(shared).save_all(five())

    assert all(isinstance(one, SavedImage) for one in came)
    assert disk.files() == FILES
    assert disk.single >= 10
    assert not shared.pays
    assert "one by one for a while" in caplog.text


def test_a_disk_that_refuses_each_by_itself_too_is_told(tmp_path: Path) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shared = SharedSync(tmp_path.stat().st_dev, refuse)
    store = ImageStore(tmp_path, loopback=True, sync=refuse, shared=shared)

    came = store.save_all(five())

    assert [one.errno for one in came if isinstance(one, StorageError)] == [errno.ENOSPC] * 5
    assert Disk(tmp_path).files() == []


def test_images_behind_a_link_to_another_disk_are_synced_by_themselves(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    elsewhere = SharedSync(tmp_path.stat().st_dev + 1, pytest.fail)

    came = disk.store(elsewhere).save_all(five())

    assert all(isinstance(one, SavedImage) for one in came)
    assert disk.single >= 10


def test_a_sync_that_took_long_is_left_alone_for_a_while(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    shared = disk.shared
    assert shared.pays

    disk.takes_s = LONG_S / 2
    disk.store(shared).save_all(five())
    assert shared.pays

    disk.takes_s = LONG_S * 2
    disk.store(shared).save_all(five())
    assert not shared.pays

    disk.now += PAUSE_S
    assert shared.pays


# -- which file systems -------------------------------------------------------------------------

MOUNT = "27 1 {device} / / rw,relatime shared:1 - {kind} /dev/vda rw,discard\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
@pytest.mark.parametrize(
    ("kind", "is_known"),
    [
        pytest.param("ext4", True, id="ext4"),
        pytest.param("xfs", True, id="xfs"),
        pytest.param("overlay", False, id="a container's"),
        pytest.param("nfs4", False, id="over the network"),
        pytest.param("fuse.sshfs", False, id="by a program"),
        pytest.param("btrfs", False, id="one that commits everything"),
    ],
)
def test_file_systems_whose_sync_is_known(tmp_path: Path, kind: str, is_known: bool) -> None:
    number = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    other = MOUNT.format(device="250:99", kind="tmpfs")
    mounts.write_text(
        other + MOUNT.format(device=f"{os.major(number)}:{os.minor(number)}", kind=kind)
    )

    assert (shared_sync(tmp_path, mounts=mounts) is not None) == is_known


def test_a_system_that_tells_nothing_of_its_file_systems_has_no_shared_sync(
    tmp_path: Path,
) -> None:
    assert shared_sync(tmp_path, mounts=tmp_path / "nowhere") is None


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_the_system_s_own_call_is_used_and_its_errors_are_told(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNT.format(device=f"{os.major(number)}:{os.minor(number)}", kind="ext4"))
    shared = shared_sync(tmp_path, mounts=mounts)
    assert shared is not None

    came = ImageStore(tmp_path, loopback=True, shared=shared).save_all(five())
    with pytest.raises(OSError, match="Bad file descriptor"):
        shared(-1)

    assert all(isinstance(one, SavedImage) for one in came)


# A Python that was built without the module that calls the system's library.
NO_CTYPES = """
import sys
from pathlib import Path

sys.modules["_ctypes"] = None
import batchgen.launch
from batchgen.images import shared_sync

assert shared_sync(Path(sys.argv[1])) is None
"""


def test_a_python_that_cannot_call_the_system_s_library_has_no_shared_sync(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NO_CTYPES, tmp_path], check=True)


# -- as they come in ------------------------------------------------------------------------------


@pytest.fixture
async def host() -> AsyncIterator[ImageHost]:
    async with ImageHost() as host:
        yield host


async def test_images_that_come_in_while_others_are_synced_go_together(
    host: ImageHost, tmp_path: Path
) -> None:
    disk = Disk(tmp_path)
    urls = [host.play(f"/{n}.png", answer(image)) for n, image in enumerate(IMAGES)]

    async with disk.store() as store:
        saved = await asyncio.gather(
            *(store.download(urls[n % 5], stem=f"images/{n % 3}/{n}") for n in range(200))
        )

    assert [one.file for one in saved] == [f"images/{n % 3}/{n}.png" for n in range(200)]
    assert [(tmp_path / one.file).read_bytes() for one in saved] == IMAGES * 40
    assert 0 < len(disk.at_syncs) < 200


async def test_a_damaged_image_among_others_is_the_only_one_that_fails(
    host: ImageHost, tmp_path: Path
) -> None:
    urls = [host.play(f"/{n}.png", answer(image)) for n, image in enumerate(IMAGES)]
    urls[3] = host.play("/3.png", answer(IMAGES[3][:-1]))

    async with Disk(tmp_path).store() as store:
        came = await asyncio.gather(
            *(store.download(url, stem=f"images/{n}") for n, url in enumerate(urls)),
            return_exceptions=True,
        )

    assert [type(one) for one in came] == [SavedImage] * 3 + [ImageError, SavedImage]


async def test_who_is_cancelled_while_a_group_is_synced_leaves_nothing_half_done(
    host: ImageHost, tmp_path: Path
) -> None:
    urls = [host.play(f"/{n}.png", answer(image)) for n, image in enumerate(IMAGES)]

    async with Disk(tmp_path).store() as store:
        downloads = [
            asyncio.create_task(store.download(urls[n % 5], stem=f"images/{n}")) for n in range(100)
        ]
        await downloads[0]
        for download in downloads:
            download.cancel()
        await asyncio.gather(*downloads, return_exceptions=True)

    there = Disk(tmp_path).files()
    assert 1 <= len(there) <= 100
    assert all(ImageStore(tmp_path, loopback=True).check(file) for file in there)


# What a process does that dies at a sync of a group; which one is its last argument.
DIE_AT_A_SYNC = """
import os, signal, sys
from pathlib import Path
from batchgen.images import ImageStore
from batchgen.images.shared_sync import SharedSync

folder, source, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
count = 0

def sync(handle):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)

store = ImageStore(folder, loopback=True, shared=SharedSync(os.stat(folder).st_dev, sync))
store.save_all([(source.read_bytes(), f"images/{number}") for number in range(5)])
"""


@pytest.mark.parametrize(
    ("at", "images"),
    [pytest.param(1, 0, id="before the names"), pytest.param(2, 5, id="after them")],
)
def test_a_crash_leaves_whole_images_or_none(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, at: int, images: int
) -> None:
    source = tmp_path_factory.mktemp("source") / "a.png"
    source.write_bytes(IMAGES[0])

    ended = subprocess.run(
        [sys.executable, "-c", DIE_AT_A_SYNC, tmp_path, source, str(at)], check=False
    )

    assert ended.returncode == -signal.SIGKILL
    store = ImageStore(tmp_path, loopback=True)
    found = [store.find(stem=f"images/{number}") for number in range(5)]
    assert len([one for one in found if one is not None]) == images
    assert store.remove_leftovers() == 5 - images
