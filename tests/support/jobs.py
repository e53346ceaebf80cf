"""Jobs and journal entries for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from batchgen.attempt import ANSWER, Entry, Request, job_detail, timestamp
from batchgen.job import Job, Json, job_id_of
from batchgen.state import AttemptState

ENDPOINT = "fal-ai/nano-banana-2"
QUEUE_URL = "http://127.0.0.1:9"
PRICE = Decimal("0.08")
BEGAN_AT = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


def make_job(
    number: int = 1,
    *,
    prompt: str = "a fox",
    images: int = 1,
    variables: dict[str, Json] | None = None,
    **parameters: Json,
) -> Job:
    """Return a job; its id is that of the number."""
    job_id = job_id_of(number)
    return Job(
        job_id=job_id,
        endpoint=ENDPOINT,
        input={"prompt": prompt, "seed": 1000 + number, **parameters},
        repeat=0,
        variables=variables or {},
        file=f"images/{job_id[:2]}/{job_id}",
        images=images,
        price_usd=PRICE * images,
    )


def at(second: int) -> str:
    """Return the time so many seconds after the beginning."""
    return timestamp(BEGAN_AT + timedelta(seconds=second))


def make_entry(
    state: AttemptState,
    *,
    job: Job | None = None,
    attempt: int = 1,
    second: int = 0,
    cost: str | None = None,
    **detail: Json,
) -> Entry:
    """Return a journal row with what its state needs."""
    job = job or make_job()
    if state is AttemptState.SUBMITTING:
        told = job_detail(job, queue_url=QUEUE_URL, simulated=False, account="0123abcd")
        detail = {**told, **detail}
        cost = str(job.price_usd) if cost is None else cost
    if state is AttemptState.COMPLETED and "images" not in detail:
        url: Json = {"url": f"https://example.test/{job.job_id}.png"}
        detail = {"images": [url] * job.images, ANSWER: {"cost_source": "table"}, **detail}
    has_request = state in (
        AttemptState.SUBMITTED,
        AttemptState.COMPLETED,
        AttemptState.CANCELLED,
        AttemptState.FAILED,
    )
    return Entry(
        at=at(second),
        job_id=job.job_id,
        attempt=attempt,
        state=state,
        request=Request(request_id=f"request-{job.job_id}-{attempt}") if has_request else None,
        cost_usd=None if cost is None else Decimal(cost),
        detail=detail,
    )
