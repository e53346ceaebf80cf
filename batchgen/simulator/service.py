"""The service behind the API: it accepts, runs, remembers and forgets. It knows no HTTP."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from batchgen.simulator.address import parse_address
from batchgen.simulator.answer import Json
from batchgen.simulator.dice import chance, lognormal
from batchgen.simulator.fault import Kind
from batchgen.simulator.faults import Faults
from batchgen.simulator.line import Line
from batchgen.simulator.locks import Lock
from batchgen.simulator.memory import Memory
from batchgen.simulator.outcome import Endpoints, Outcome, check, outcome_of
from batchgen.simulator.request import Phase, Request
from batchgen.simulator.run_faults import FORGOTTEN, SLOW_RUN, UNLISTED
from batchgen.simulator.schema import KNOWN, Check
from batchgen.simulator.settings import SimulatorSettings
from batchgen.simulator.tally import Tally

logger = logging.getLogger(__name__)

# The account of all keys when there is but one.
ONLY_ACCOUNT = "00000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What arrived with a POST that is about to be accepted.

    Attributes:
        application: `owner/alias`, behind its namespace if there is one.
        path: What follows it, or `""`.
        account: Whose it is.
        input: What was sent.
        start_within_s: What `X-Fal-Request-Timeout` asks for, or None.
        stored: Whether the history may keep it.
    """

    application: str
    path: str
    account: str
    input: dict[str, Json]
    start_within_s: float | None = None
    stored: bool = True


class Service:
    """One simulated service.

    Attributes:
        settings: How it behaves.
        faults: How it misbehaves.
        tally: What it counted.
        line: Who waits and who runs.
        lock: The lock on the account, or None.
        endpoints: What it takes, by application, then by path.
    """

    def __init__(self, settings: SimulatorSettings, memory: Memory | None) -> None:
        """Start, with what the memory holds: what had not ended waits again."""
        self.settings = settings
        self.tally = Tally()
        self.lock: Lock | None = None
        self.endpoints = _endpoints(settings.endpoints)
        self._start = memory.start if memory else 1
        self.faults = Faults(
            rates=settings.faults, lines=settings.script, seed=settings.seed, start=self._start
        )
        self.line = Line(concurrency=settings.concurrency, queued_s=settings.queued_s)
        self._memory = memory
        self._told_of_full_disk = False
        self._requests: dict[str, Request] = {}
        self._in_order: list[Request] = []
        for request in memory.requests if memory else ():
            self._remember(request)

    @property
    def requests(self) -> list[Request]:
        """Every request that was ever accepted, oldest first, as it stands now."""
        self.now()
        return list(self._in_order)

    def newest(self, *, before: int | None) -> Iterator[tuple[int, Request]]:
        """Yield all requests, newest first, each with its number.

        Args:
            before: Begin below that number, counted from 0; None: with the newest.
        """
        count = len(self._in_order)
        for number in reversed(range(count if before is None else min(before, count))):
            yield number, self._in_order[number]

    def has_endpoint(self, endpoint: str) -> bool:
        """Return whether there is such an endpoint."""
        address = parse_address(endpoint)
        return address is not None and address.path in self.endpoints.get(address.application, {})

    def now(self) -> float:
        """Return the time, after everything that was due by then has happened."""
        now = self.settings.clock()
        self._note_ended(self.line.advance(now))
        return now

    def account_of(self, key: str) -> str | None:
        """Return the account of a key, or None if the key is not good."""
        if not key or (self.settings.keys and key not in self.settings.keys):
            return None
        if self.settings.one_account:
            return ONLY_ACCOUNT
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]

    def is_full(self) -> bool:
        """Return whether a submission must be turned away because too many are open."""
        self.now()
        most = self.settings.max_open
        return most is not None and self.line.open >= most

    def accept(self, submission: Submission) -> Request:
        """Accept a submission. When this returns, a restart will know of it.

        Raises:
            OSError: It could not be kept, and is not accepted.
        """
        now = self.now()
        marks = frozenset(fault.name for fault in self.faults.draw(Kind.RUN))
        request = Request(
            request_id=self.settings.new_id(),
            application=submission.application,
            path=submission.path,
            account=submission.account,
            input=submission.input,
            sent_at=now,
            seconds=self._seconds(submission, marks),
            marks=marks,
            start_within_s=submission.start_within_s,
            stored=submission.stored,
        )
        if self._memory:
            self._memory.accepted(request)
        self._remember(request)
        return request

    def find(self, application: str, request_id: str, *, account: str) -> Request | None:
        """Return a request as it stands now, if that account has it under that application."""
        self.now()
        request = self._requests.get(request_id)
        if request is None or (request.account, request.application) != (account, application):
            return None
        gone = request.forgotten or (FORGOTTEN in request.marks and request.ended_at is not None)
        return None if gone else request

    def find_any(self, request_id: str) -> Request | None:
        """Return a request as it stands now, whoever asks; images are public."""
        self.now()
        return self._requests.get(request_id)

    def outcome(self, request: Request) -> Outcome:
        """Return what a request comes to."""
        return outcome_of(request, self.endpoints)

    def cancel(self, request: Request, *, even_running: bool, forget: bool) -> bool:
        """Cancel a request that is open; returns whether it has ended by that.

        Args:
            request: One that is open.
            even_running: Whether a running one is stopped; else it goes on to its end.
            forget: Whether the service denies it from then on, if it has ended.
        """
        now = self.now()
        if not self.line.cancel(request, at=now, even_running=even_running):
            return False
        request.forgotten = forget
        self._note_ended([request])
        return True

    def release(self) -> int:
        """Let the stuck requests go on; returns how many there were."""
        return self.line.release(at=self.now())

    def result_expired(self, request: Request) -> bool:
        """Return whether a request's result can no longer be read."""
        return self._older_than(request, self.settings.result_lifetime_s)

    def images_expired(self, request: Request) -> bool:
        """Return whether a request's images can no longer be fetched."""
        return self._older_than(request, self.settings.image_lifetime_s)

    def is_listed(self, request: Request, *, now: float) -> bool:
        """Return whether the history shows a request at that time."""
        if UNLISTED in request.marks:
            return False
        started_at = request.started_at if request.started_at is not None else request.ended_at
        since = request.sent_at if self.settings.history_shows_queued else started_at
        return since is not None and since + self.settings.history_delay_s <= now

    def units_made(self) -> Decimal:
        """Return the units of all requests that have ended; what nobody reports is 0."""
        ended = (request for request in self.requests if request.ended_at is not None)
        return sum((self.outcome(request).units or Decimal(0) for request in ended), Decimal(0))

    def images_made(self) -> int:
        """Return how many images all requests that have ended have made."""
        return sum(self.images_of(request) for request in self.requests)

    def images_of(self, request: Request) -> int:
        """Return how many images a request has made by now."""
        return 0 if request.ended_at is None else self.outcome(request).images

    def _remember(self, request: Request) -> None:
        self._requests[request.request_id] = request
        self._in_order.append(request)
        self.tally.accept(request)
        if request.phase is not Phase.COMPLETED:
            self._note_ended(self.line.add(request, at=max(request.sent_at, self.settings.clock())))

    def _note_ended(self, ended: list[Request]) -> None:
        if ended and self._memory:
            try:
                self._memory.ended(ended)
            except OSError as error:  # the next start lets them run again, to the same end
                if not self._told_of_full_disk:
                    logger.warning("ended requests can no longer be kept: %s", error)
                self._told_of_full_disk = True

    def _seconds(self, submission: Submission, marks: frozenset[str]) -> float:
        if check(submission.input, submission.application, submission.path, self.endpoints):
            return 0.0  # an input that does not fit is turned away before the model runs
        ordinal = self.faults.seen[Kind.RUN]
        seconds = lognormal(
            self.settings.seconds,
            spread=self.settings.spread,
            draw=chance(self.settings.seed, self._start, "seconds", ordinal),
        )
        return seconds * (10.0 if SLOW_RUN in marks else 1.0)

    def _older_than(self, request: Request, lifetime_s: float | None) -> bool:
        if lifetime_s is None or request.ended_at is None:
            return False
        return self.now() > request.ended_at + lifetime_s


def _endpoints(further: tuple[str, ...]) -> Endpoints:
    known: dict[str, dict[str, Mapping[str, Check]]] = {
        application: dict(paths) for application, paths in KNOWN.items()
    }
    for endpoint in further:
        address = parse_address(endpoint)
        if address is not None:
            known.setdefault(address.application, {}).setdefault(address.path, {})
    return MappingProxyType(known)
