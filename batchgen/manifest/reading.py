"""A manifest while it is read: where its parts stand, what it names, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from batchgen.errors import ManifestError, Mistake
from batchgen.job import Json
from batchgen.manifest.yaml_text import Document

# The way from the top of a manifest to one of its parts: `("grid", "style", 3)`.
Spot: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """A file that a manifest names.

    Attributes:
        written: As it is written there.
        path: Where it is, absolute.
    """

    written: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a manifest: its value, and where it stands."""

    value: Json
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of a manifest so far.

    Attributes:
        file: As the user named it; `""` for a mapping in memory.
        folder: What the paths in it are relative to.
        document: Where its parts stand; None for a mapping or a table.
        kept: As written → where a frozen manifest's files are now.
    """

    file: str
    folder: Path
    document: Document | None = None
    kept: Mapping[str, Path] = field(default_factory=dict)
    _mistakes: dict[Mistake, None] = field(default_factory=dict)
    _warnings: dict[str, None] = field(default_factory=dict)
    _files: dict[str, ManifestFile] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not wrong and probably not meant, each once."""
        return tuple(self._warnings)

    @property
    def files(self) -> tuple[ManifestFile, ...]:
        """The files that the manifest names, each once."""
        return tuple(self._files.values())

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self._mistakes

    def mistake(self, text: str, *, at: Spot = (), key: bool = False) -> None:
        """Note a mistake.

        Args:
            text: What is wrong, and what to write instead.
            at: Where it is; if that has no place of its own, what it is in counts.
            key: Whether the key is meant, rather than its value.
        """
        line, column = self.place(at, key=key)
        if line in self._misread:
            # Whatever is wrong with it comes of how it was read.
            return
        self.note([Mistake(file=self.file, line=line, column=column, text=text)])

    @property
    def _misread(self) -> frozenset[int | None]:
        """The lines that YAML reads otherwise than they look."""
        mistakes = self.document.mistakes if self.document else ()
        return frozenset(mistake.line for mistake in mistakes if mistake.line is not None)

    def note(self, mistakes: Iterable[Mistake]) -> None:
        """Note mistakes that have their places."""
        self._mistakes.update(dict.fromkeys(mistakes))

    def warn(self, text: str) -> None:
        """Note a warning."""
        self._warnings[text] = None

    def place(self, at: Spot, *, key: bool = False) -> tuple[int | None, int | None]:
        """Return line and column of a part, from 1, or of the nearest part around it."""
        if self.document is None:
            return None, None
        place = self.document.key_place(at) if key else None
        while place is None:
            place = self.document.place(at)
            if place is None and not at:
                return None, None
            at = at[:-1]
        return place.line, place.column

    def where(self, at: Spot) -> str:
        """Return `m.yaml:7` for a part, for texts that speak of two places."""
        line, _ = self.place(at, key=True)
        return f"{self.file or 'the manifest'}:{line}" if line else self.file or dotted(at)

    def find(self, written: str, *, at: Spot) -> Path | None:
        """Return where a file is that the manifest names, or note that it is not there."""
        path = self.kept.get(written) or self.folder / written
        try:
            found, what = path.is_file(), "is a folder" if path.is_dir() else "is not there"
        except (OSError, ValueError):  # a name that no file can have
            found, what = False, "is not there"
        if found:
            self._files[written] = ManifestFile(written=written, path=path.absolute())
            return path
        self.mistake(f"{dotted(at)}: {written} {what} ({path.absolute()}).{_near(path)}", at=at)
        return None

    def raise_mistakes(self) -> None:
        """Raise what is wrong, if anything is.

        Raises:
            ManifestError: All mistakes, equal ones as one, the manifest's own first.
        """
        if not self._mistakes:
            return
        folded: dict[tuple[str, str], Mistake] = {}
        for mistake in sorted(self._mistakes, key=self._order):
            same = folded.get((mistake.file, mistake.text))
            folded[mistake.file, mistake.text] = _both(same, mistake) if same else mistake
        raise ManifestError(list(folded.values()))

    def _order(self, mistake: Mistake) -> tuple[bool, str, int, int]:
        line, column = mistake.line or 0, mistake.column or 0
        return mistake.file != self.file, mistake.file, line, column


def dotted(spot: Spot) -> str:
    """Return the way to a part as a message has it: `grid.style`, without numbers of entries."""
    return ".".join(str(step) for step in spot if isinstance(step, str))


def _both(first: Mistake, second: Mistake) -> Mistake:
    return Mistake(
        file=first.file,
        line=first.line,
        column=first.column,
        text=first.text,
        count=first.count + second.count,
    )


def _near(path: Path) -> str:
    """Return a guess at what file was meant, if its folder has one of that kind of name."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    near = get_close_matches(path.name, names, n=1)
    return f" Did you mean {near[0]}?" if near else ""
