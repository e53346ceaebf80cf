"""One thing that was looked at, what was found, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from batchgen.job import Json


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, in a word.
        grade: How bad it is.
        text: What was found.
        mend: What to type or to do about it, ready to copy; may have several lines.
        stops_run: Whether a run could not go.
    """

    name: str
    grade: Grade
    text: str
    mend: str = ""
    stops_run: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` has it."""
        return {
            "name": self.name,
            "grade": str(self.grade),
            "text": self.text,
            "mend": self.mend,
            "stops_run": self.stops_run,
        }


def fine(name: str, text: str) -> Finding:
    """Return that nothing is wrong."""
    return Finding(name=name, grade=Grade.OK, text=text)


def warning(name: str, text: str, *, mend: str = "") -> Finding:
    """Return that a run can go, and that something should be known."""
    return Finding(name=name, grade=Grade.WARNING, text=text, mend=mend)


def wrong(name: str, text: str, *, mend: str = "", stops_run: bool = True) -> Finding:
    """Return that something has to be mended."""
    return Finding(name=name, grade=Grade.WRONG, text=text, mend=mend, stops_run=stops_run)
