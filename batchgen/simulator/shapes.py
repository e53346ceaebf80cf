"""The JSON of the queue API: what a submission, a status and a result look like.

Source:
    Protocol notes, section 4.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

from batchgen.simulator import bill
from batchgen.simulator.address import image_url, request_url
from batchgen.simulator.answer import Answer, Json, json_answer
from batchgen.simulator.failure import Failure
from batchgen.simulator.outcome import HOSTILE_TEXT, Outcome
from batchgen.simulator.picture import FORMATS
from batchgen.simulator.read_faults import (
    NO_LOGS,
    NO_METRICS,
    NO_QUEUE_POSITION,
    NULL_INFERENCE_TIME,
    NULL_LOGS,
    ONLY_STATUS,
    STATUS_BACK,
    UNKNOWN_STATUS,
)
from batchgen.simulator.request import Phase, Request
from batchgen.simulator.run_faults import (
    CANCELLED_STATUS,
    ERROR_STATUS,
    FAILED_STATUS,
    FAILED_WITH_RESULT,
    FILE_IMAGE_URL,
    HOSTILE_DESCRIPTION,
    HOSTILE_FILE_NAME,
    NO_IMAGES_KEY,
    NO_UNITS,
    NULL_SIZE,
    ONLY_IMAGE_URLS,
    QUIET_FAILURE,
    SERVED_ELSEWHERE,
)
from batchgen.simulator.size import Size
from batchgen.simulator.submit_faults import (
    ANSWERED_201,
    ANSWERED_202,
    FOREIGN_URLS,
    GATEWAY_ID,
    ONLY_THE_ID,
    ONLY_THE_URLS,
    RESPONSE_SUFFIX,
)

SERVED_FROM_HEADER = "X-Fal-Served-From"
FOREIGN_BASE = "http://queue.example.net"
HOSTILE_FILE = "../../../../tmp/\x1b[31mowned\x00.png"

_FAILED_WORDS = {
    FAILED_STATUS: "FAILED",
    FAILED_WITH_RESULT: "FAILED",
    ERROR_STATUS: "ERROR",
    CANCELLED_STATUS: "CANCELLED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The images of one request, as a result shows them.

    Attributes:
        size: In pixels.
        format: One of `FORMATS`.
        count: How many there are.
        files: Their bytes, or None where a result need not know them.
        inline: Whether they stand in the result as data URIs.
    """

    size: Size
    format: str
    count: int
    files: tuple[bytes, ...] | None
    inline: bool


def submit_answer(request: Request, *, base: str, position: int, marks: frozenset[str]) -> Answer:
    """Return the answer to an accepted submission.

    Args:
        request: The request that it became.
        base: Scheme, host and port of the service.
        position: How many requests are ahead of it.
        marks: The faults of the call.
    """
    urls = _urls(request, base=FOREIGN_BASE if FOREIGN_URLS in marks else base)
    if RESPONSE_SUFFIX in marks:
        urls["response_url"] = f"{urls['response_url']}/response"
    body: dict[str, Json] = {
        "status": "IN_QUEUE",
        "request_id": request.request_id,
        **urls,
        "queue_position": position,
        "logs": None,
        "metrics": {},
    }
    if ONLY_THE_ID in marks:
        body = {"request_id": request.request_id}
    elif ONLY_THE_URLS in marks:
        body = {"request_id": request.request_id, **urls}
    if GATEWAY_ID in marks:
        body["gateway_request_id"] = f"gateway-{request.request_id}"
    status = 201 if ANSWERED_201 in marks else 202 if ANSWERED_202 in marks else 200
    return json_answer(body, status=status)


def status_answer(
    request: Request,
    *,
    base: str,
    position: int,
    failure: Failure | None,
    logs: bool,
    marks: frozenset[str],
) -> Answer:
    """Return the answer to a read of a status.

    Args:
        request: As it stands now.
        base: Scheme, host and port of the service.
        position: How many requests are ahead of it.
        failure: How it failed, if it has.
        logs: Whether logs were asked for.
        marks: The faults of the call.
    """
    back = STATUS_BACK in marks and request.phase is Phase.IN_PROGRESS
    phase = Phase.IN_QUEUE if back else request.phase
    body: dict[str, Json] = {"status": phase, "request_id": request.request_id}
    body |= _urls(request, base=base)
    match phase:
        case Phase.IN_QUEUE:
            body["queue_position"] = position
        case Phase.IN_PROGRESS:
            body["logs"] = _logs(request) if logs else None
        case Phase.COMPLETED:
            body["logs"] = _logs(request) if logs else None
            body |= _ending(request, failure)
    if UNKNOWN_STATUS in marks:
        body["status"] = "WARMING_UP"
    return json_answer(
        _without(body, marks), status=200 if body["status"] in _final_words() else 202
    )


def _final_words() -> set[str]:
    return {Phase.COMPLETED, *_FAILED_WORDS.values()}


def _ending(request: Request, failure: Failure | None) -> dict[str, Json]:
    ending: dict[str, Json] = {"metrics": {}}
    if failure is None and request.started_at is not None and request.ended_at is not None:
        seconds = round(request.ended_at - request.started_at, 4)
        ending["metrics"] = {"inference_time": seconds}
    for mark, word in _FAILED_WORDS.items():
        if mark in request.marks:
            ending["status"] = word
    if failure is not None and QUIET_FAILURE not in request.marks:
        ending["error"] = failure.text
        ending["error_type"] = failure.error_type
    return ending


def _without(body: dict[str, Json], marks: frozenset[str]) -> dict[str, Json]:
    """Take away what the faults of the call take away."""
    if ONLY_STATUS in marks:
        return {"status": body["status"]}
    left_out = {NO_LOGS: "logs", NO_METRICS: "metrics", NO_QUEUE_POSITION: "queue_position"}
    for mark, key in left_out.items():
        if mark in marks:
            body.pop(key, None)
    if NULL_LOGS in marks:
        body["logs"] = None
    if NULL_INFERENCE_TIME in marks and "metrics" in body:
        body["metrics"] = {"inference_time": None}
    return body


def _logs(request: Request) -> list[Json]:
    """Return a window on the log: at most its last two lines."""
    lines = [(request.started_at, "Runner started"), (request.ended_at, "Request finished")]
    return [
        {"message": text, "level": "INFO", "source": "USER", "timestamp": written_time(at)}
        for at, text in lines
        if at is not None
    ]


def result_answer(request: Request, outcome: Outcome, made: Made, *, base: str) -> Answer:
    """Return the answer to a read of the result of a request that has ended.

    Args:
        request: As it stands now.
        outcome: What it came to.
        made: Its images.
        base: Scheme, host and port of the service.
    """
    headers = {
        SERVED_FROM_HEADER: "another-model" if SERVED_ELSEWHERE in request.marks else "simulator"
    }
    if outcome.units is not None and NO_UNITS not in request.marks:
        headers[bill.UNITS_HEADER] = bill.written(outcome.units)
    if outcome.failure is not None:
        headers |= outcome.failure.headers
        return json_answer(outcome.failure.body, status=outcome.failure.status, headers=headers)
    return json_answer(output(request, made, base=base), headers=headers)


def output(request: Request, made: Made, *, base: str) -> dict[str, Json]:
    """Return the model's output: the images and a description."""
    description = HOSTILE_TEXT if HOSTILE_DESCRIPTION in request.marks else ""
    if NO_IMAGES_KEY in request.marks:
        return {"description": description}
    images = [_image(request, made, index, base=base) for index in range(made.count)]
    return {"images": [*images], "description": description}


def _image(request: Request, made: Made, index: int, *, base: str) -> dict[str, Json]:
    content_type, extension = FORMATS[made.format]
    image: dict[str, Json] = {
        "url": _image_url(request, made, index, base=base),
        "content_type": content_type,
        "file_name": f"nano-banana-2-output{f'_{index}' if index else ''}.{extension}",
        "width": made.size.width,
        "height": made.size.height,
    }
    if made.files is not None:
        image["file_size"] = len(made.files[index])
    if HOSTILE_FILE_NAME in request.marks:
        image["file_name"] = HOSTILE_FILE
    if NULL_SIZE in request.marks:
        image |= {"width": None, "height": None, "content_type": None}
    return {"url": image["url"]} if ONLY_IMAGE_URLS in request.marks else image


def _image_url(request: Request, made: Made, index: int, *, base: str) -> str:
    content_type, extension = FORMATS[made.format]
    if made.inline and made.files is not None:
        return f"data:{content_type};base64,{base64.b64encode(made.files[index]).decode()}"
    if FILE_IMAGE_URL in request.marks:
        return "file:///etc/hostname"
    return image_url(
        base,
        request_id=request.request_id,
        copy=max(1, request.result_reads),
        index=index,
        extension=extension,
    )


def _urls(request: Request, *, base: str) -> dict[str, Json]:
    url = request_url(base, request.application, request.request_id)
    return {"response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}


def written_time(at: float) -> str:
    """Return a time as the service writes it: UTC, ISO 8601, milliseconds."""
    text = datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
