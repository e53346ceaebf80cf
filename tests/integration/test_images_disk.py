"""Images on a real disk: whole or not there, whenever the process stops."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from support.sample_images import sample_image

from batchgen.errors import ImageError, StorageError
from batchgen.images import ImageStore
from batchgen.images.parts import Parts

PNG = sample_image("PNG")
LARGER = sample_image("PNG", width=100, height=80)


STEM = "images/kz/kzmx-0"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path, loopback=True)


def test_bytes_become_a_file(store: ImageStore, tmp_path: Path) -> None:
    saved = store.save(PNG, stem=STEM)

    assert saved.file == "images/kz/kzmx-0.png"
    assert (tmp_path / saved.file).read_bytes() == PNG
    assert store.check(saved.file, saved.sha256) == saved


def test_damaged_bytes_never_touch_the_disk(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        store.save(PNG[:-1], stem=STEM)

    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_written_again_replaces_the_one_that_was_there(
    store: ImageStore, tmp_path: Path
) -> None:
    store.save(PNG, stem=STEM)

    saved = store.save(LARGER, stem=STEM)

    assert (tmp_path / saved.file).read_bytes() == LARGER
    assert files_of(tmp_path) == [saved.file]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no sync of folders")
def test_an_image_is_durable_and_so_is_every_name_on_the_way_to_it(tmp_path: Path) -> None:
    synced: list[int] = []
    names: list[list[str]] = []

    def sync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        names.append(files_of(tmp_path))

    store = ImageStore(tmp_path, loopback=True, sync=sync)
    file, other = store.save(PNG, stem=STEM), store.save(PNG, stem="images/kz/other")

    folders = [tmp_path / "images/kz", tmp_path / "images", tmp_path]
    assert synced[:4] == [path.stat().st_ino for path in [tmp_path / file.file, *folders]]
    assert names[0][0].startswith("images/.part/")
    assert names[1] == [file.file]
    # The folders above were made durable already.
    assert synced[4:] == [path.stat().st_ino for path in [tmp_path / other.file, folders[0]]]


def test_a_disk_that_refuses_to_sync_leaves_no_file(tmp_path: Path) -> None:
    def refuse(_: int) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(StorageError, match="Input/output error") as caught:
        ImageStore(tmp_path, loopback=True, sync=refuse).save(PNG, stem=STEM)

    assert caught.value.errno == errno.EIO
    assert files_of(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "is_saved"),
    [
        pytest.param(errno.EINVAL, True, id="a file system that knows no sync of folders"),
        pytest.param(errno.EIO, False, id="a disk that fails"),
    ],
)
def test_a_folder_that_cannot_be_synced(tmp_path: Path, number: int, is_saved: bool) -> None:
    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))

    store = ImageStore(tmp_path, loopback=True, sync=sync)

    if is_saved:
        assert store.check(store.save(PNG, stem=STEM).file)
    else:
        with pytest.raises(StorageError, match="Input/output error"):
            store.save(PNG, stem=STEM)


# What a process does that dies when it is about to make an image durable.
DIE_AT_THE_SYNC = """
import os, signal, sys
from pathlib import Path
from batchgen.images import ImageStore

store = ImageStore(
    Path(sys.argv[1]), loopback=True, sync=lambda _: os.kill(os.getpid(), signal.SIGKILL)
)
store.save(Path(sys.argv[2]).read_bytes(), stem="images/kz/kzmx-0")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_crash_between_write_and_rename_leaves_no_image(
    store: ImageStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("source") / "a.png"
    source.write_bytes(PNG)

    crash = run(DIE_AT_THE_SYNC, tmp_path, source)

    assert crash.returncode == -signal.SIGKILL
    [left] = files_of(tmp_path)
    assert left.startswith("images/.part/")
    assert store.find(stem=STEM) is None
    assert store.remove_leftovers() == 1
    assert files_of(tmp_path) == []
    assert not (tmp_path / "images/.part").exists()


# What a process meets whose files may not grow: as on a disk that is full.
RUN_OUT_OF_SPACE = """
import resource, sys
from pathlib import Path
from batchgen.errors import StorageError
from batchgen.images import ImageStore

image = Path(sys.argv[2]).read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(image) - 1, len(image) - 1))
try:
    ImageStore(Path(sys.argv[1]), loopback=True).save(image, stem="images/a")
except StorageError as error:
    sys.exit(error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits on Windows")
def test_a_full_disk_is_told_from_a_damaged_image(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("source") / "a.png"
    source.write_bytes(PNG)

    full = run(RUN_OUT_OF_SPACE, tmp_path, source)

    assert full.returncode == errno.EFBIG, full.stderr
    assert files_of(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_the_disk_s_fault(
    store: ImageStore, tmp_path: Path
) -> None:
    (tmp_path / "images").write_text("in the way")

    with pytest.raises(StorageError, match="cannot write") as caught:
        store.save(PNG, stem=STEM)

    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)


def test_a_folder_in_the_place_of_the_image_is_the_disk_s_fault(
    store: ImageStore, tmp_path: Path
) -> None:
    (tmp_path / "images/kz/kzmx-0.png").mkdir(parents=True)

    with pytest.raises(StorageError, match=r"kzmx-0\.png"):
        store.save(PNG, stem=STEM)

    assert files_of(tmp_path) == []
    assert store.check("images/kz/kzmx-0.png") is None


def test_no_image_is_stored_under_no_name_at_all(store: ImageStore) -> None:
    assert store.check("") is None


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("../a.png", id="up"),
        pytest.param("images/../../a.png", id="up, in the middle"),
        pytest.param("/tmp/a.png", id="from the root"),
        pytest.param("C:/a.png", id="a drive"),
        pytest.param("C:a.png", id="a drive without a root"),
        pytest.param("images\\..\\..\\a.png", id="backslashes"),
    ],
)
def test_no_name_leads_out_of_the_batch_s_folder(
    store: ImageStore, tmp_path: Path, file: str
) -> None:
    with pytest.raises(ImageError, match="is not a file of this batch") as caught:
        store.save(PNG, stem=file)

    assert not isinstance(caught.value, StorageError)
    assert store.check(file) is None
    assert files_of(tmp_path) == []


def test_check_tells_what_is_on_disk(store: ImageStore, tmp_path: Path) -> None:
    saved = store.save(PNG, stem=STEM)
    path = tmp_path / saved.file

    assert store.check(saved.file, "0" * 64) is None
    assert store.check("images/kz/other.png") is None
    assert store.check("images/kz") is None
    path.write_bytes(PNG[:-1])
    assert store.check(saved.file) is None
    path.write_bytes(b"")
    assert store.check(saved.file) is None
    path.write_bytes(LARGER)
    assert store.check(saved.file, saved.sha256) is None
    assert (store.check(saved.file) or saved).width == 100


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_an_image_whose_row_was_lost_is_found_by_its_name(store: ImageStore, kind: str) -> None:
    saved = store.save(sample_image(kind), stem=STEM)

    assert store.find(stem=STEM) == saved


def test_left_overs_are_removed_and_nothing_else(store: ImageStore, tmp_path: Path) -> None:
    saved = store.save(PNG, stem="images/.part/the user's own")
    (tmp_path / "images/.part/4711-0").write_bytes(PNG)
    (tmp_path / "images/.part/4711-1").write_bytes(b"")

    assert store.remove_leftovers() == 2
    assert files_of(tmp_path) == [saved.file]
    assert store.remove_leftovers() == 0


def test_what_a_crash_left_under_the_same_name_is_not_in_the_way(
    store: ImageStore, tmp_path: Path
) -> None:
    parts = Parts(tmp_path)
    process, number = parts.new().name.split("-")
    (tmp_path / "images/.part").mkdir(parents=True)
    (tmp_path / f"images/.part/{process}-{int(number) + 1}").write_bytes(LARGER)

    saved = store.save(PNG, stem=STEM)

    assert (tmp_path / saved.file).read_bytes() == PNG
    assert files_of(tmp_path) == [saved.file]


def run(script: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
