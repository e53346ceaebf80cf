"""One try at a job: its request at the service, and its rows in the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from batchgen.budget import dollars
from batchgen.job import Job, Json
from batchgen.state import AttemptState

JOURNAL_COLUMNS = (
    "at",
    "job_id",
    "attempt",
    "state",
    "request_id",
    "status_url",
    "response_url",
    "cancel_url",
    "cost_usd",
    "detail",
)

# What the first cell of a journal row looks like: a time.
JOURNAL_FIRST_CELL = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z,")

# Made once: `json.dumps` makes one for each text that is not written in its own way.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_HALF = re.compile(r"[\ud800-\udfff]")
# What a spreadsheet takes for a formula; and the sign that says that it is none.
_RUN_OR_QUOTED = ("=", "+", "-", "@", "\t", "'")
_AMOUNT = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

# Under this key a `submitting` row says which attempt it is since the job's last `failed` row in
# the ledger. That row may be gone from there by the next start.
FRESH = "since_failed"

# Under this key a `completed` row keeps what the answer said beside the model's own output.
ANSWER = "_answer"

# Answers to a POST that judge what was sent, not when or by whom; contract, section 5, rule 3.
JUDGING_CODES = frozenset({400, 409, 413, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The service's name for an attempt, and where it says to ask for it.

    Attributes:
        request_id: As the service gave it.
        status_url: Where its status is read; only path and query are ever used.
        response_url: Where its result is read.
        cancel_url: Where it is cancelled.
    """

    request_id: str
    status_url: str = ""
    response_url: str = ""
    cancel_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal.

    Attributes:
        at: When it was written, as text: UTC, ISO 8601, milliseconds.
        job_id: The job.
        attempt: Counted from 1 in the job.
        state: What happened.
        request: The request; None before one is known.
        cost_usd: The reservation, or the charge; None where neither changes.
        detail: What else there is to know, by state.
    """

    at: str
    job_id: str
    attempt: int
    state: AttemptState
    request: Request | None = None
    cost_usd: Decimal | None = None
    detail: Mapping[str, Json] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """Return the row as `requests.csv` has it."""
        request = self.request or Request(request_id="")
        return [
            self.at,
            self.job_id,
            str(self.attempt),
            self.state.value,
            _as_cell(request.request_id),
            request.status_url,
            request.response_url,
            request.cancel_url,
            "" if self.cost_usd is None else dollars(self.cost_usd),
            write_json(self.detail) if self.detail else "",
        ]


def parse_entry(cells: Sequence[str]) -> Entry:
    """Read one row of `requests.csv`; the reverse of `Entry.cells`.

    Raises:
        ValueError: A cell does not hold what belongs there.
    """
    at, job_id, attempt, state, request_id, status_url, response_url, cancel_url, cost, detail = (
        cells
    )
    if _TIME.fullmatch(at) is None:
        raise ValueError(f"{at!r} is not a time")
    request = Request(
        request_id=request_id.removeprefix("'"),
        status_url=status_url,
        response_url=response_url,
        cancel_url=cancel_url,
    )
    return Entry(
        at=at,
        job_id=job_id,
        attempt=int(attempt),
        state=AttemptState(state),
        request=request if request_id else None,
        cost_usd=_amount(cost) if cost else None,
        detail=read_detail(detail),
    )


def read_detail(text: str) -> dict[str, Json]:
    """Return a row's detail as a mapping; a text that is none becomes its `reason`."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"reason": text}


def job_detail(job: Job, *, queue_url: str, simulated: bool, account: str) -> dict[str, Json]:
    """Return what a `submitting` row keeps: all that finishing the job needs."""
    return {
        "endpoint": job.endpoint,
        "input": job.input,
        "repeat": job.repeat,
        "variables": job.variables,
        "file": job.file,
        "images": job.images,
        "service": {"queue_url": queue_url, "simulated": simulated},
        "account": account,
    }


def job_from(entry: Entry) -> Job:
    """Return the job that a `submitting` row was written for, whatever the manifest says now."""
    detail = entry.detail
    return Job(
        job_id=entry.job_id,
        endpoint=str(detail.get("endpoint", "")),
        input=_mapping(detail.get("input")),
        repeat=_whole(detail.get("repeat"), default=0),
        variables=_mapping(detail.get("variables")),
        file=str(detail.get("file", "")),
        images=_whole(detail.get("images"), default=1),
        price_usd=entry.cost_usd,
    )


def judges_input(entry: Entry) -> bool:
    """Say whether a `refused` row says that the input will never be taken."""
    return entry.state is AttemptState.REFUSED and entry.detail.get("judges_input") is True


def write_json(value: Json | Mapping[str, Json]) -> str:
    """Write JSON as our files have it: one line, UTF-8 as it is."""
    text = _ENCODER.encode(value)
    if text.isascii():
        return text
    # Half a character has no UTF-8, and JSON has a spelling for it.
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def timestamp(moment: datetime) -> str:
    """Write a time as our files have it: UTC, ISO 8601, milliseconds."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_timestamp(text: str) -> datetime:
    """Read a time that `timestamp` wrote."""
    return datetime.fromisoformat(text)


def _as_cell(name: str) -> str:
    """Return a name that the service gave as a cell that no spreadsheet runs."""
    return f"'{name}" if name.startswith(_RUN_OR_QUOTED) else name


def _amount(text: str) -> Decimal:
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not an amount")
    return Decimal(text)


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _whole(value: Json, *, default: int) -> int:
    return value if isinstance(value, int) else default
