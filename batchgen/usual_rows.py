"""The rows that nearly all of both files are made of, counted without being taken apart.

What a row does to a job depends on where the job stands and on a few of the row's words. Both are
the same for thousands of jobs, so it is worked out once for each kind, by the rules that hold for
every row; then only what differs is read: whose row it is, when it was written, where it begins.

Whatever is not beyond doubt one of these rows is left to those who read every cell.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from batchgen.attempt import ANSWER, FRESH, parse_entry
from batchgen.csv_file import RowReader
from batchgen.ledger import HEAD, TAIL
from batchgen.outcome import image_urls
from batchgen.place import Place
from batchgen.record import Record, apply, follows
from batchgen.standing import ImageMark, Standing
from batchgen.state import AttemptState

# So many kinds are remembered: a batch has a handful, unless its rows are not as usual.
MOST_KINDS = 10_000

_WORD = rb'[^",\r\n\0]*+'
_CELL = rb'(?:"(?:[^"\0]++|"")*+"|[^",\r\n\0]*+)'

# What of a ledger's row tells what it does; of the other cells only their form is looked at.
_TELLING = {
    "job_id": rb"([k-z]{16})",
    "image_index": rb"(\d{1,6})",
    "status": rb"(succeeded|undelivered|failed)",
    "file": rb'([^",\r\n\0]*+)',
    "attempts": rb"(\d{0,6})",
    "error_type": rb'([^",\r\n\0]*+)',
}

_JOURNAL_ROW = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z),([k-z]{16}),(\d{1,6}),"
    rb'(submitting|submitted|completed),%b,%b,%b,%b,(\d{1,12}(?:\.\d{1,12})?|),(?="\{|\n)'
    % ((_WORD,) * 4)
)

# How the `detail` of an intent ends. No text in it can look like that: a quote in a text has a
# `\` before it.
_INTENT_BEGIN = b',""images"":'
_INTENT = re.compile(
    rb',""images"":\d{1,4},""service"":\{[^{}]*+\},""account"":""[0-9a-f]*+"",""%b"":\d{1,6}\}"\n'
    % FRESH.encode()
)

# An image in a result, as a plain mapping that begins with a key. In a text no `{` can look like
# the beginning of one: a quote in a text has a `\` before it, and behind its end comes no key.
_IMAGE = rb'\{""\w++"":[^{}\[\]]*+\}'

# The `detail` of a result whose images are plain mappings, and who says what it cost.
_RESULT = re.compile(
    rb'"\{""images"":\[(%b(?:,%b)*+)\],[^{}\[\]]*+(?<=,""%b"":)'
    rb'\{""cost_source"":""(billed|table)""[^{}\[\]]*+\}\}"\n' % (_IMAGE, _IMAGE, ANSWER.encode())
)

# What the `detail` of an intent, and of a result, has whenever it can be read.
_KEPT = {AttemptState.SUBMITTING: FRESH, AttemptState.COMPLETED: ANSWER}

# The letters of a job id → hex digits.
_TO_HEX = bytes.maketrans(b"klmnopqrstuvwxyz", b"0123456789abcdef")

# Where a shared standing is in memory, or 0 for none, and the words that tell.
_Kind: TypeAlias = tuple[int | bytes | bool, ...]


class UsualLedger:
    """Takes rows of images into account."""

    def __init__(self, record: Record, reader: RowReader) -> None:
        """Begin with an empty record.

        Args:
            record: What the rows are added to.
            reader: The ledger, whose columns are ours.
        """
        self._record = record
        self._reader = reader
        own = len(reader.columns) - len(HEAD) - len(TAIL)
        cells = [_TELLING.get(name, _CELL) for name in (*HEAD, *[""] * own, *TAIL)]
        self._row = re.compile(rb",".join(cells) + rb"\n")
        self._after: dict[_Kind, tuple[Standing, bool]] = {}

    def takes(self, line: bytes, _start: int) -> bool:
        """Take a row into account, if it is one of the usual ones; say whether it is."""
        match = self._row.fullmatch(line)
        if match is None or not (line.isascii() or is_text(line)):
            return False
        found = match.groups()
        number = int(found[0].translate(_TO_HEX), 16)
        jobs = self._record.jobs
        known = jobs.get(number)
        kind = (0 if known is None else id(known), *found[1:3], bool(found[3]), *found[4:])
        after = self._after.get(kind) or self._work_out(kind, known, found)
        if after is None:
            return False
        jobs[number] = after[0]
        if after[1]:
            self._record.superseded.add(number)
        return True

    def _work_out(
        self, kind: _Kind, known: Standing | None, found: tuple[bytes, ...]
    ) -> tuple[Standing, bool] | None:
        if (known is not None and not known.is_shared) or len(self._after) >= MOST_KINDS:
            return None
        _, index, status, file, attempts, error_type = (cell.decode() for cell in found)
        tried = int(attempts) if attempts else None
        mark = ImageMark(status, error_type, bool(file), tried)
        scratch = Record()
        if known is not None:
            scratch.jobs[0] = known
        scratch.note_row(0, int(index), mark, finished_at="")
        after = self._record.intern(scratch.jobs[0]), bool(scratch.superseded)
        self._after[kind] = after
        return after


@dataclass(slots=True)
class _Open:
    """A job whose attempt has not ended so far.

    Attributes:
        standing: What it shares with others.
        started: Where its `submitting` row begins, in bytes.
        last: Where its last row begins.
        submitted_at: The time of its `submitted` row, or nothing.
        at: The time of its last row.
    """

    standing: Standing
    started: int
    last: int
    submitted_at: bytes
    at: bytes


@dataclass(slots=True)
class _Move:
    """What a kind of row does.

    Attributes:
        after: How a job stands then; shared.
        scratch: What such a row adds to the bill.
        waits: Whether it is a result that waits for its images.
        times: How many such rows there were.
    """

    after: Standing
    scratch: Record
    waits: bool
    times: int = 0


class UsualJournal:
    """Takes intents, ids and results into account."""

    def __init__(self, record: Record, reader: RowReader) -> None:
        """Begin with what the ledger says.

        Args:
            record: What the rows are added to.
            reader: The journal.
        """
        self._record = record
        self._reader = reader
        self._jobs = record.jobs
        self._places = record.places
        self._open: dict[int, _Open] = {}
        self._moves: dict[_Kind, _Move] = {}
        self._last_at = b""

    def takes(self, line: bytes, start: int) -> bool:
        """Take a row into account, if it is one of the usual ones; say whether it is."""
        match = _JOURNAL_ROW.match(line)
        if match is None:
            return False
        place = match.end()
        if not _ends_well(line, place):
            return False
        at, job_id, attempt, state, cost = match.groups()
        number = int(job_id.translate(_TO_HEX), 16)
        before = self._open.get(number)
        if before is not None:
            if state == b"submitting":
                return False
            standing: Standing | None = before.standing
        elif state != b"submitting" or number in self._places:
            return False
        else:
            standing = self._jobs.get(number)
        told = b"-" if state == b"submitted" else _tell(state, line, place)
        kind = (id(standing), state, attempt, cost, told)
        move = self._moves.get(kind) or self._work_out(kind, standing, line)
        if move is None:
            return False
        move.times += 1
        if before is None:
            self._open[number] = _Open(move.after, start, start, b"", at)
        elif state == b"submitted":
            before.standing = move.after
            before.last = start
            before.submitted_at = before.at = at
        else:
            del self._open[number]
            self._jobs[number] = move.after
            if move.waits:
                self._places[number] = _place(before, at, start)
        self._last_at = at
        return True

    def note_time(self, at: str) -> None:
        """Take note of the time of a row that was read cell by cell, in its turn."""
        if not self._record.first_at:
            self._record.first_at = at
        self._last_at = at.encode()

    def give_back(self, number: int) -> None:
        """Give a job whose next row is not as usual its own standing in the record."""
        found = self._open.pop(number, None)
        if found is not None:
            self._record.jobs[number] = replace(
                found.standing,
                is_shared=False,
                started=found.started,
                last=found.last,
                submitted_at=found.submitted_at.decode(),
                at=found.at.decode(),
            )

    def close(self) -> None:
        """Bring the record up to date."""
        self._record.last_at = self._last_at.decode()
        for number in list(self._open):
            self.give_back(number)
        bill = self._record.bill
        for move in self._moves.values():
            scratch = move.scratch
            bill.spent_usd += scratch.bill.spent_usd * move.times
            bill.reserved_usd += scratch.bill.reserved_usd * move.times
            self._record.billed_usd += scratch.billed_usd * move.times
            self._record.foreseen_usd += scratch.foreseen_usd * move.times
            self._record.submitted += scratch.submitted * move.times

    def _work_out(self, kind: _Kind, standing: Standing | None, line: bytes) -> _Move | None:
        """Return what a row does, by the rules for all rows; None if it is not as usual."""
        if not kind[-1] or len(self._moves) >= MOST_KINDS:
            return None
        if standing is not None and not standing.is_shared:
            return None
        cells = self._reader.parse(line)
        if cells is None:
            return None
        entry = parse_entry(cells)
        if entry.state in _KEPT and _KEPT[entry.state] not in entry.detail:
            return None  # it is no JSON: no example for others
        own = Standing() if standing is None else replace(standing, is_shared=False)
        if not follows(own, entry):
            return None
        scratch = Record(download=self._record.download)
        apply(scratch, own, entry, start=0)
        waits = scratch.waits(own)
        if scratch.has_ended(own):
            after = self._record.shared(own)
        elif own.state is AttemptState.COMPLETED and not waits:
            return None
        else:
            after = self._record.placeless(own)
        if not self._record.first_at:
            self._record.first_at = entry.at
        move = self._moves[kind] = _Move(after, scratch, waits)
        return move


def is_text(line: bytes) -> bool:
    """Say whether bytes are UTF-8."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _place(before: _Open, at: bytes, start: int) -> int:
    place = Place(
        started=before.started,
        last=start,
        submitted_at=before.submitted_at.decode(),
        at=at.decode(),
    )
    return place.packed()


def _ends_well(line: bytes, place: int) -> bool:
    r"""Say whether a last cell that begins at `place` is empty, or one whole quoted cell.

    In a quoted cell quotes stand in pairs. So all runs of them are even but the first, which
    opens it before a `{`, and the last, which closes it behind a `}`.
    """
    if not (line.isascii() or is_text(line)):
        return False
    if line[-3:] != b'}"\n':
        return place == len(line) - 1
    is_paired = line.count(b'"', place) == 2 * line.count(b'""', place) + 2
    return is_paired and b"\0" not in line


def _tell(state: bytes, line: bytes, place: int) -> bytes:
    """Return what of an intent or a result decides what it does; nothing if that is not plain."""
    if state == b"submitting":
        begin = line.rfind(_INTENT_BEGIN, place)
        end = line[begin:] if begin >= 0 else b""
        return end if _INTENT.fullmatch(end) else b""
    match = _RESULT.fullmatch(line, place)
    if match is not None:
        return b"%d %b" % (match[1].count(b"{"), match[2])
    return _tell_any_result(line[place + 1 : -2])


def _tell_any_result(quoted: bytes) -> bytes:
    try:
        detail = json.loads(quoted.replace(b'""', b'"'))
    except ValueError:
        return b""
    answer = detail.get(ANSWER)
    source = answer.get("cost_source") if isinstance(answer, dict) else None
    if not isinstance(source, str):
        return b""
    return f"{len(image_urls(detail))} {source}".encode(errors="replace")
