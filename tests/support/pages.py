"""The documentation as data: its code blocks, its links, its anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME_ABOVE = re.compile(r"^`(?P<name>[\w.-]+)`[^\n]*:\n\n\Z", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: Its page, relative to the repository.
        line: Where it begins, counted from 1.
        info: What stands behind the fence: `yaml`, `yaml wrong`, `console`.
        body: Its text.
        file: The file whose content it shows, if the line above says so: `styles.txt`.
    """

    page: str
    line: int
    info: str
    body: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return every page of the documentation, the README first."""
    folders = (ROOT / "docs", ROOT / "sample_manifests", ROOT / "jobs")
    found = [page for folder in folders for page in sorted(folder.rglob("*.md"))]
    # What a batch holds is nobody's documentation.
    found = [page for page in found if page.parent.parent.name != "jobs"]
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *found]


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in _FENCE.finditer(text)]


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links, code left out."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in _LINK.finditer(re.sub(r"`[^`\n]*`(?!\])", "", text)):
        yield found["target"]


def anchors(page: Path) -> set[str]:
    """Return what a link to a page may name behind its `#`, as GitHub makes it of headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {_anchor(found["text"]) for found in _HEADING.finditer(text)}


def _anchor(heading: str) -> str:
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    above = _NAME_ABOVE.search(text[: found.start()])
    return Block(
        page=page.relative_to(ROOT).as_posix(),
        line=text.count("\n", 0, found.start()) + 1,
        info=found["info"].strip(),
        body=found["body"],
        file=above["name"] if above else "",
    )
