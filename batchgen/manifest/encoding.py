"""A file's bytes → text: UTF-8, with a mark or without, and nothing else."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.errors import ManifestError, Mistake

_MARK = codecs.BOM_UTF8
_CHUNK_BYTES = 1 << 20
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What a file that is no text begins with.
_KINDS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "a WebP image or a sound",
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
}


def read_utf8(path: Path, *, shown_as: str, save_as: str) -> str:
    """Return the text of a file, without a byte order mark, its line ends as they are.

    Args:
        path: The file.
        shown_as: The file as the user named it.
        save_as: What an editor's dialogue calls the right encoding, for messages.

    Raises:
        ManifestError: It cannot be read, or is not UTF-8.
    """
    with reading(path, shown_as):
        data = path.read_bytes()
    decoder = Utf8Check(shown_as=shown_as, save_as=save_as)
    decoder.feed(data)
    decoder.close()
    return data.removeprefix(_MARK).decode()


def check_utf8(path: Path, *, shown_as: str, save_as: str) -> None:
    """Read a file of any size once, and refuse it if it is not UTF-8.

    Args:
        path: The file.
        shown_as: The file as the user named it.
        save_as: What an editor's dialogue calls the right encoding, for messages.

    Raises:
        ManifestError: It cannot be read, or is not UTF-8.
    """
    check = Utf8Check(shown_as=shown_as, save_as=save_as)
    with reading(path, shown_as), path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            check.feed(chunk)
    check.close()


class Utf8Check:
    """Tells whether bytes are UTF-8 text, and what they are otherwise."""

    def __init__(self, *, shown_as: str, save_as: str) -> None:
        self._shown_as = shown_as
        self._save_as = save_as
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._lines_before = 0
        self._began = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the file.

        Raises:
            ManifestError: They are not UTF-8 text.
        """
        if not self._began:
            self._began = True
            self._look_at_the_beginning(chunk)
        try:
            text = self._decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise self._latin(chunk, error.start) from error
        if "\x00" in text:
            line = self._lines_before + text[: text.index("\x00")].count("\n") + 1
            raise self._mistake("holds a zero byte, which no text has: it is damaged.", line)
        self._lines_before += text.count("\n")

    def close(self) -> None:
        """Say that the file ends here.

        Raises:
            ManifestError: It ends within a character.
        """
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise self._latin(b"", 0) from error

    def _look_at_the_beginning(self, chunk: bytes) -> None:
        for begins, kind in _KINDS.items():
            if chunk.startswith(begins):
                raise self._mistake(f"is {kind}, not a text file.", None)
        if chunk.startswith(_UTF_16_MARKS):
            raise self._mistake(f"is UTF-16: save it as {self._save_as}.", None)
        if _is_utf_16(chunk[:1024]):
            raise self._mistake(f"is UTF-16 without a mark: save it as {self._save_as}.", None)
        if b"\x00" in chunk[:1024]:
            raise self._mistake("is a binary file, not a text file.", None)

    def _latin(self, chunk: bytes, at: int) -> ManifestError:
        line = self._lines_before + chunk[:at].count(b"\n") + 1
        text = f"is not UTF-8 (most likely Latin-1 or Windows-1252): save it as {self._save_as}."
        return self._mistake(text, line)

    def _mistake(self, text: str, line: int | None) -> ManifestError:
        return ManifestError([Mistake(file=self._shown_as, line=line, text=text)])


def _is_utf_16(head: bytes) -> bool:
    """Return whether every other byte is zero, as in UTF-16 in a Latin script."""
    zeros = sorted((head[0::2].count(0), head[1::2].count(0)))
    return zeros[1] * 2 > len(head) * 0.7 and zeros[0] * 10 < zeros[1]


@contextmanager
def reading(path: Path, shown_as: str) -> Iterator[None]:
    """Turn what the system says of a file that cannot be read into a mistake of the manifest."""
    try:
        yield
    except FileNotFoundError as error:
        raise _unreadable(shown_as, f"is not there ({path.absolute()}).") from error
    except IsADirectoryError as error:
        raise _unreadable(shown_as, "is a folder, not a file.") from error
    except PermissionError as error:
        raise _unreadable(shown_as, "may not be read: you lack the permission.") from error
    except OSError as error:
        raise _unreadable(shown_as, f"cannot be read: {error.strerror or error}.") from error


def _unreadable(shown_as: str, text: str) -> ManifestError:
    return ManifestError([Mistake(file=shown_as, text=text)])
