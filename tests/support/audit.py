"""Check a batch against what the service counted, trusting nothing that batchgen says of itself.

Nothing here is imported from batchgen: the tables are read by Python's csv module, hashes are
taken from the files, and the rest is what the simulator has counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from support.shop import Shop, detail_of
from support.simulated_queue import SECRET

# What an image at 1K costs, by the service's price list.
UNIT_USD = Decimal("0.08")

# Failures after which a job may be sent again: tables 5.1 and 5.2 of the protocol notes.
TRANSIENT = frozenset(
    {
        "internal_server_error",
        "generation_timeout",
        "downstream_service_error",
        "downstream_service_unavailable",
        "request_timeout",
        "startup_timeout",
        "runner_scheduling_failure",
        "runner_connection_timeout",
        "runner_disconnected",
        "runner_connection_refused",
        "runner_connection_error",
        "runner_incomplete_response",
        "runner_server_error",
        "internal_error",
    }
)

# How a row may follow another of the same attempt.
FOLLOWS = {
    "": {"submitting"},
    "submitting": {"submitted", "refused", "unknown", "failed"},
    "submitted": {"completed", "failed", "cancelled"},
    "unknown": {"submitted", "refused", "failed"},
}

Row = Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Account:
    """What an audit found.

    Attributes:
        findings: What is wrong, one sentence each; empty if nothing is.
        wanted: Images that were wanted.
        billed: Images that the service has made and charged for.
        lost: Images that the service has made and that are not on disk.
        attempts: Intents on record.
        unknown: Submissions whose answer was lost.
        adopted: Of these, those that the history showed.
        resent: Of these, those that it did not show.
        refused: Attempts that the service, or the network, turned away.
        failed: Attempts that the service failed.
    """

    findings: list[str] = field(default_factory=list)
    wanted: int = 0
    billed: int = 0
    lost: int = 0
    attempts: int = 0
    unknown: int = 0
    adopted: int = 0
    resent: int = 0
    refused: int = 0
    failed: int = 0

    @property
    def billed_per_wanted(self) -> float:
        """Images billed for each image wanted."""
        return self.billed / self.wanted


def audit(shop: Shop, *, prompts: Iterable[str], max_attempts: int) -> Account:
    """Check a batch that should be finished, and return what was found.

    Args:
        shop: Where it was run. The faults of its queue are cleared for this.
        prompts: Every job's own; one image each.
        max_attempts: How often a job may have been sent.
    """
    shop.queue.misbehave(clear=True)
    journal, ledger = shop.journal(), shop.ledger()
    requests = shop.queue.requests()
    wanted = sorted(prompts)
    account = Account(wanted=len(wanted))
    _count(account, journal, shop.queue.counts())
    for check in (
        _check_ledger(wanted, ledger),
        _check_files(shop, ledger),
        _check_requests(journal, requests),
        _check_attempts(journal, requests, max_attempts=max_attempts),
        _check_money(journal, ledger, shop.queue.counts()),
        _check_calls(journal, shop.queue.counts()),
        find_secret(shop.folder),
    ):
        account.findings += check
    on_disk = {row["request_id"] for row in ledger if row["status"] == "succeeded" and row["file"]}
    account.lost = account.billed - len(on_disk)
    return account


def by_attempt(journal: Iterable[Row]) -> dict[str, list[list[Row]]]:
    """Return the journal's rows of each attempt of each job, in order."""
    jobs: dict[str, list[list[Row]]] = defaultdict(list)
    for row in journal:
        attempts = jobs[row["job_id"]]
        if int(row["attempt"]) > len(attempts):
            attempts.append([])
        attempts[int(row["attempt"]) - 1].append(row)
    return jobs


def find_secret(folder: Path, secret: str = SECRET) -> Iterator[str]:
    """Yield each file below a folder that holds the secret half of the key."""
    for path in folder.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            yield f"the key stands in {path.relative_to(folder)}"


def _count(account: Account, journal: Iterable[Row], counts: Mapping[str, Any]) -> None:
    rows = list(journal)
    states = Counter(row["state"] for row in rows)
    account.billed = counts["images_made"]
    account.attempts = states["submitting"]
    account.unknown = states["unknown"]
    account.failed = states["failed"]
    account.adopted = sum(1 for row in rows if detail_of(row).get("adopted"))
    account.resent = sum(1 for row in rows if _is_not_in_history(row))
    account.refused = states["refused"] - account.resent


def _check_ledger(wanted: list[str], ledger: list[dict[str, str]]) -> Iterator[str]:
    """Every job succeeded, once."""
    if sorted(row["prompt"] for row in ledger) != wanted:
        yield f"the ledger has {len(ledger)} rows, and not one for each of {len(wanted)} jobs"
    if len({row["job_id"] for row in ledger}) != len(ledger):
        yield "a job has several rows in the ledger"
    for row in ledger:
        if (row["status"], row["image_index"]) != ("succeeded", "0"):
            yield f"{row['job_id']} is {row['status']} {row['error_type']}"


def _check_files(shop: Shop, ledger: Iterable[Row]) -> Iterator[str]:
    """Every image is on disk, is what its row says and what its request made; no file else."""
    named = set()
    for row in ledger:
        path = shop.home / row["file"]
        named.add(path)
        content = path.read_bytes() if row["file"] and path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            yield f"{row['job_id']}: the file is not the one of the row"
        elif row["request_id"] not in row["url"] or shop.queue.fetch(row["url"]) != content:
            yield f"{row['job_id']}: the file is not what its request made"
    strangers = {path for path in (shop.home / "images").rglob("*") if path.is_file()} - named
    yield from (f"{path} belongs to no row" for path in strangers)


def _check_requests(journal: Iterable[Row], requests: list[dict[str, Any]]) -> Iterator[str]:
    """What the service accepted is what is on record as submitted: the same ids, for each input."""
    inputs: dict[str, str] = {}
    recorded: dict[str, Counter[str]] = defaultdict(Counter)
    for row in journal:
        if row["state"] == "submitting":
            inputs[row["job_id"]] = _canonical(detail_of(row)["input"])
        elif row["state"] == "submitted":
            recorded[inputs[row["job_id"]]][row["request_id"]] += 1
    accepted: dict[str, Counter[str]] = defaultdict(Counter)
    for request in requests:
        accepted[_canonical(request["input"])][request["request_id"]] += 1
    for given in recorded.keys() | accepted.keys():
        if recorded[given] != accepted[given]:
            yield (
                f"{given}: accepted {sum(accepted[given].values())}, "
                f"on record {sum(recorded[given].values())}"
            )


def _check_attempts(
    journal: Iterable[Row], requests: list[dict[str, Any]], *, max_attempts: int
) -> Iterator[str]:
    """Every attempt moves as it may, and one that follows another has a reason on record."""
    really_failed = {one["request_id"] for one in requests if TRANSIENT & set(one["marks"])}
    for job_id, attempts in by_attempt(journal).items():
        counted = [rows for rows in attempts if rows[-1]["state"] != "refused"]
        if len(counted) > max_attempts:
            yield f"{job_id} was sent {len(counted)} times"
        for number, rows in enumerate(attempts, start=1):
            states = ["", *(row["state"] for row in rows)]
            for before, state in pairwise(states):
                if state not in FOLLOWS.get(before, ()):
                    yield f"{job_id} attempt {number}: {state} follows {before}"
            if number == len(attempts):
                if rows[-1]["state"] != "completed":
                    yield f"{job_id} ends {rows[-1]['state']}"
            elif not _may_be_followed(rows, really_failed):
                yield f"{job_id} was sent again after {rows[-1]['state']} of attempt {number}"


def _may_be_followed(rows: list[Row], really_failed: set[str]) -> bool:
    """Say whether the end of an attempt allows another: proof, or a failure that may pass."""
    last = rows[-1]
    detail = detail_of(last)
    if last["state"] == "refused":
        was_unknown = any(row["state"] == "unknown" for row in rows)
        return bool(detail["reason"]) and _is_not_in_history(last) == was_unknown
    is_transient = detail.get("error_type") in TRANSIENT and last["request_id"] in really_failed
    return last["state"] == "failed" and is_transient


def _check_money(
    journal: Iterable[Row], ledger: Iterable[Row], counts: Mapping[str, Any]
) -> Iterator[str]:
    """The ledger's sum is the journal's is the service's."""
    ends = ("completed", "failed", "refused", "cancelled")
    charged = sum((_usd(row) for row in journal if row["state"] in ends), Decimal(0))
    listed = sum((_usd(row) for row in ledger), Decimal(0))
    billed = Decimal(counts["units_made"]) * UNIT_USD
    if not charged == listed == billed:
        yield f"the journal says ${charged}, the ledger ${listed}, the service ${billed}"


def _check_calls(journal: Iterable[Row], counts: Mapping[str, Any]) -> Iterator[str]:
    """There was at most one POST for each intent, and the key went nowhere else."""
    intents = sum(1 for row in journal if row["state"] == "submitting")
    posts = counts["calls"].get("submit", 0)
    if posts > intents:
        yield f"{posts} POSTs for {intents} intents"
    if counts["seen_authorization_on_images"] or counts["seen_authorization_on_landings"]:
        yield "the key went along with a fetch of an image, or with a redirect"


def _is_not_in_history(row: Row) -> bool:
    return row["state"] == "refused" and detail_of(row).get("reason") == "not in the history"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _usd(row: Row) -> Decimal:
    return Decimal(row["cost_usd"] or 0)
