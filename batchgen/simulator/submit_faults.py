"""How a submission goes wrong. Whether the request was accepted is what matters."""

from __future__ import annotations

from batchgen.simulator.answer import Answer, RetryAfter, detail, json_answer, nginx
from batchgen.simulator.fault import Fault, Kind, NoReply, Redirect, Reply, Silence, Slow
from batchgen.simulator.locks import LOCK_TEXTS

INVALID_KEY = "invalid key credentials"
UNKNOWN_APPLICATION = 'Application "{name}" not found'

# Names that the code which shapes the answer looks for.
ONLY_THE_ID = "only_the_id"
ONLY_THE_URLS = "only_the_urls"
RESPONSE_SUFFIX = "response_suffix"
FOREIGN_URLS = "foreign_urls"
GATEWAY_ID = "gateway_id"
ANSWERED_201 = "submit_201"
ANSWERED_202 = "submit_202"
VALIDATED_AT_ONCE = "validated_at_once"
LOCK_FROM_HERE = "lock"
LOCK_WITH_READS = "lock_with_reads"

_BUSY = "Too many requests, please slow down"
_LIMIT: Answer = json_answer(
    {
        "detail": [
            {
                "loc": ["body"],
                "msg": "Concurrent requests limit reached",
                "type": "concurrent_requests_limit",
            }
        ]
    },
    status=429,
    headers={"X-Fal-Needs-Retry": "1"},
)
_DOWNSTREAM: Answer = json_answer(
    {
        "detail": [
            {
                "loc": ["body"],
                "msg": "A downstream service failed",
                "type": "downstream_service_error",
            }
        ]
    },
    status=400,
)
_REFUSED: Answer = json_answer(
    {
        "detail": [
            {
                "loc": ["body", "prompt"],
                "msg": "The content could not be processed because it was flagged.",
                "type": "content_policy_violation",
            }
        ]
    },
    status=422,
)


def _refusing(name: str, answer: Answer, text: str, *, alias: str = "") -> Fault:
    return Fault(
        name=name,
        on=Kind.SUBMIT,
        text=f"{text}; nothing is accepted",
        effect=Reply(answer=answer),
        alias=alias,
    )


def _losing(name: str, answer: Answer, text: str) -> Fault:
    effect = Reply(answer=answer, accepted=True)
    return Fault(name=name, on=Kind.SUBMIT, text=f"accepted; {text}", effect=effect)


def _silent(name: str, how: Silence, text: str, *, accepted: bool, alias: str = "") -> Fault:
    effect = NoReply(how=how, accepted=accepted)
    return Fault(name=name, on=Kind.SUBMIT, text=text, effect=effect, alias=alias)


def _changing(name: str, text: str) -> Fault:
    return Fault(name=name, on=Kind.SUBMIT, text=text)


_LOST = (
    _silent(
        "lost_reply",
        Silence.CLOSED,
        "accepted; the connection is closed without an answer",
        accepted=True,
        alias="accept_then_drop",
    ),
    _silent(
        "reset_reply",
        Silence.RESET,
        "accepted; the connection is reset without an answer",
        accepted=True,
        alias="accept_then_reset",
    ),
    _silent(
        "hanging_reply",
        Silence.HANGING,
        "accepted; no answer for as long as the client waits",
        accepted=True,
        alias="accept_then_hang",
    ),
    _silent(
        "lost_post",
        Silence.CLOSED,
        "not accepted; the connection is closed without an answer",
        accepted=False,
        alias="drop",
    ),
    _silent(
        "reset_post",
        Silence.RESET,
        "not accepted; the connection is reset without an answer",
        accepted=False,
        alias="reset",
    ),
    _silent(
        "hanging_post",
        Silence.HANGING,
        "not accepted; no answer for as long as the client waits",
        accepted=False,
        alias="hang",
    ),
    _losing("accepted_500", detail("Internal Server Error", status=500), "answered 500"),
    _losing("accepted_502", nginx(502), "answered 502 by nginx, without a request id"),
    _losing("accepted_503", nginx(503), "answered 503 by nginx, without a request id"),
    _losing("accepted_504", nginx(504), "answered 504 by nginx, without a request id"),
    _losing("no_request_id", json_answer({"status": "IN_QUEUE"}), "answered 200, without an id"),
    _losing(
        "garbled_submit",
        Answer(body=b"<html>OK</html>", content_type="text/html"),
        "answered 200 with HTML",
    ),
    _losing("empty_submit", Answer(content_type=""), "answered 200 with an empty body"),
    _losing(
        "broken_submit",
        Answer(body=b'{"status":"IN_QUEUE","request_id":"'),
        "answered 200 with half a JSON object",
    ),
)

_REFUSALS = (
    _refusing("throttled", detail(_BUSY, status=429), "429"),
    _refusing(
        "throttled_seconds",
        detail(_BUSY, status=429, retry_after=RetryAfter.SECONDS),
        "429 with Retry-After in seconds",
    ),
    _refusing(
        "throttled_date",
        detail(_BUSY, status=429, retry_after=RetryAfter.DATE),
        "429 with Retry-After as a date",
    ),
    _refusing("throttled_needs_retry", _LIMIT, "429 with X-Fal-Needs-Retry: 1"),
    _refusing("submit_425", detail("Too Early", status=425), "425"),
    _refusing(
        "rate_403",
        detail("Rate limit exceeded", status=403),
        "403 that speaks of the rate limit, as the API reference lists it",
    ),
    *(
        _refusing(f"locked_{name}", detail(text, status=403), f"403 {text}")
        for name, text in LOCK_TEXTS.items()
    ),
    _refusing("submit_402", detail("Payment required", status=402), "402"),
    _refusing(
        "forbidden",
        detail("Your key has no access to this application", status=403),
        "403 for want of access",
    ),
    _refusing("submit_401", detail(INVALID_KEY, status=401), "401"),
    _refusing(
        "submit_404",
        detail(UNKNOWN_APPLICATION.format(name="nano-banana-2"), status=404),
        "404, application not found",
    ),
    _refusing("submit_400", detail("Bad request", status=400), "400"),
    _refusing("submit_400_downstream", _DOWNSTREAM, "400 downstream_service_error"),
    _refusing("submit_405", detail("Method Not Allowed", status=405), "405"),
    _refusing("submit_408", detail("Request Timeout", status=408), "408"),
    _refusing("submit_409", detail("Conflict", status=409), "409"),
    _refusing("submit_413", nginx(413), "413 by nginx"),
    _refusing("submit_422", _REFUSED, "422 content_policy_violation, at the POST"),
    _refusing("submit_499", detail("Client closed request", status=499), "499"),
    _refusing("submit_500", detail("Internal Server Error", status=500), "500"),
    _refusing("submit_502", nginx(502), "502 by nginx, without a request id"),
    _refusing("submit_503", detail("Service Unavailable", status=503), "503 with a request id"),
    _refusing(
        "submit_503_retry_after",
        detail("Service Unavailable", status=503, retry_after=RetryAfter.SECONDS),
        "503 with a request id and Retry-After",
    ),
    _refusing("submit_503_nginx", nginx(503), "503 by nginx, without a request id"),
    _refusing("submit_504", nginx(504), "504 by nginx, without a request id"),
    Fault(
        name="submit_redirect",
        on=Kind.SUBMIT,
        text="307 to a page that notes who came; nothing is accepted",
        effect=Redirect(),
    ),
)

_CHANGES = (
    _changing(LOCK_FROM_HERE, "from here on the account is locked: 403, reads go on; until lifted"),
    _changing(LOCK_WITH_READS, "from here on the account is locked: 403, reads too; until lifted"),
    _changing(
        VALIDATED_AT_ONCE, "an input that does not fit is answered 422 here, not at the result"
    ),
    _changing(ONLY_THE_ID, "accepted; the answer has the request id and nothing else"),
    _changing(ONLY_THE_URLS, "accepted; the answer has the id and the three URLs, nothing else"),
    _changing(RESPONSE_SUFFIX, "accepted; response_url ends in /response"),
    _changing(FOREIGN_URLS, "accepted; the three URLs name another host"),
    _changing(
        GATEWAY_ID, "accepted; the answer also has a gateway_request_id, which is another id"
    ),
    _changing(ANSWERED_201, "accepted; answered 201"),
    _changing(ANSWERED_202, "accepted; answered 202"),
    Fault(name="slow_submit", on=Kind.SUBMIT, text="the true answer, late", effect=Slow()),
)

SUBMIT_FAULTS: tuple[Fault, ...] = (*_LOST, *_REFUSALS, *_CHANGES)
