"""The folder of a page: every version of its files beside the others, and one page to enter by.

::

    gallery/
    ├── index.html         replaced in one step, last: it names the version that it belongs to
    ├── files/<n>/         scripts, styles and data of a version
    ├── thumbs/            small pictures, by their content; every version uses the same
    └── previews/          larger ones, of a page to share

A killed call leaves the old page, or none, and perhaps files that the next call clears away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import LedgerError
from batchgen.journal import replace_file

ENTRANCE = "index.html"

_ASSETS = Path(__file__).with_name("assets")


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFolder:
    """Where a page is written.

    Attributes:
        folder: The folder.
        number: The version that is being written.
    """

    folder: Path
    number: int

    @property
    def entrance(self) -> Path:
        """The page itself."""
        return self.folder / ENTRANCE

    @property
    def files(self) -> Path:
        """Scripts, styles and data of this version."""
        return self.folder / "files" / str(self.number)

    def copy_assets(self) -> None:
        """Put the page's scripts and styles beside its data."""
        for path in sorted(_ASSETS.iterdir()):
            if path.suffix in (".js", ".css"):
                shutil.copyfile(path, self.files / path.name)

    def publish(self, page: str) -> None:
        """Make this version the one that opens; when this returns it is there, and durable."""
        replace_file(self.entrance, page.encode())

    def drop_earlier(self) -> None:
        """Remove the versions before this one."""
        for path in self.files.parent.iterdir():
            if path.name.isdecimal() and int(path.name) < self.number:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def new_version(folder: Path) -> Iterator[GalleryFolder]:
    """Begin a version of a page; what was begun and not published is removed again.

    Raises:
        LedgerError: The folder cannot be written.
    """
    try:
        version = _begin(folder)
        try:
            yield version
        except BaseException:
            shutil.rmtree(version.files, ignore_errors=True)
            raise
    except OSError as error:
        raise LedgerError(f"cannot write {folder}: {error.strerror or error}") from error


def _begin(folder: Path) -> GalleryFolder:
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in files.iterdir() if path.name.isdecimal()), default=0)
    while True:
        number += 1
        try:
            (files / str(number)).mkdir()
        except FileExistsError:  # another call has begun one at the same time
            continue
        return GalleryFolder(folder=folder, number=number)


def template() -> str:
    """Return the page with gaps."""
    return (_ASSETS / ENTRANCE).read_text(encoding="utf-8")
