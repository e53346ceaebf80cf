"""How a read goes wrong: status, result, cancellation, stream, history, prices.

A read says nothing of the request, however it fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.simulator.answer import Answer, RetryAfter, detail, json_answer, nginx
from batchgen.simulator.fault import Effect, Fault, Kind, NoReply, Redirect, Reply, Silence, Slow
from batchgen.simulator.locks import LOCK_TEXTS
from batchgen.simulator.submit_faults import INVALID_KEY

NOT_FOUND: Answer = json_answer({"status": "NOT_FOUND"}, status=404)
TOO_EARLY: Answer = detail("Request is still in progress", status=400)

# Names that the code which shapes the answer looks for.
STATUS_BACK = "status_back"
UNKNOWN_STATUS = "unknown_status"
NULL_LOGS = "null_logs"
NO_LOGS = "no_logs"
NO_METRICS = "no_metrics"
NULL_INFERENCE_TIME = "null_inference_time"
NO_QUEUE_POSITION = "no_queue_position"
ONLY_STATUS = "only_status"
SHORT_RESULT = "short_result"
CANCEL_200 = "cancel_200"
CANCEL_SUCCESS = "cancel_success"
CANCEL_STOPS = "cancel_stops"
CANCEL_FORGETS = "cancel_forgets"
CANCEL_IGNORED = "cancel_ignored"
STREAM_CUT = "stream_cut"
HISTORY_NO_PAYLOADS = "history_no_payloads"
HISTORY_ADDED_KEYS = "history_added_keys"
HISTORY_ERROR_OUTPUT = "history_error_output"
HISTORY_OVERLAP = "history_overlap"
HISTORY_NO_ITEMS = "history_no_items"

_TYPED_500: Answer = json_answer(
    {
        "detail": [
            {
                "loc": ["body", "prompt"],
                "msg": "Internal server error",
                "type": "internal_server_error",
            }
        ]
    },
    status=500,
)

# For every kind of read: the end of the name, what happens, its text.
_ANY_READ: tuple[tuple[str, Effect, str], ...] = (
    ("dropped", NoReply(how=Silence.CLOSED), "the connection is closed without an answer"),
    ("reset", NoReply(how=Silence.RESET), "the connection is reset without an answer"),
    ("hang", NoReply(how=Silence.HANGING), "no answer for as long as the client waits"),
    ("slow", Slow(), "the true answer, late"),
    ("401", Reply(answer=detail(INVALID_KEY, status=401)), "401"),
    ("403", Reply(answer=detail(LOCK_TEXTS["balance"], status=403)), "403, the account is locked"),
    ("404", Reply(answer=NOT_FOUND), "404 NOT_FOUND, this once"),
    ("408", Reply(answer=detail("Request Timeout", status=408)), "408"),
    ("429", Reply(answer=detail("Too many requests", status=429)), "429"),
    (
        "429_retry_after",
        Reply(answer=detail("Too many requests", status=429, retry_after=RetryAfter.SECONDS)),
        "429 with Retry-After in seconds",
    ),
    ("500", Reply(answer=detail("Internal Server Error", status=500)), "500, this once"),
    ("502", Reply(answer=nginx(502)), "502 by nginx, without a request id"),
    ("503", Reply(answer=detail("Service Unavailable", status=503)), "503 with a request id"),
    ("503_nginx", Reply(answer=nginx(503)), "503 by nginx, without a request id"),
    ("504", Reply(answer=nginx(504)), "504 by nginx, without a request id"),
    (
        "garbled",
        Reply(answer=Answer(body=b"<html>OK</html>", content_type="text/html")),
        "200 with HTML",
    ),
    ("broken", Reply(answer=Answer(body=b'{"status":"IN_PR')), "200 with half a JSON object"),
    ("empty", Reply(answer=Answer(content_type="")), "200 with an empty body"),
    ("redirect", Redirect(), "302 to a page that notes who came"),
)


def _any_read(kind: Kind) -> Iterator[Fault]:
    for suffix, effect, text in _ANY_READ:
        yield Fault(name=f"{kind}_{suffix}", on=kind, text=text, effect=effect)


def _change(name: str, on: Kind, text: str) -> Fault:
    return Fault(name=name, on=on, text=text)


def _reply(name: str, on: Kind, answer: Answer, text: str) -> Fault:
    return Fault(name=name, on=on, text=text, effect=Reply(answer=answer))


_STATUS = (
    _reply("status_405", Kind.STATUS, detail("Method Not Allowed", status=405), "405"),
    _reply(
        "status_without_status",
        Kind.STATUS,
        json_answer({"request_id": None}),
        "200 with JSON that has no status",
    ),
    _change(STATUS_BACK, Kind.STATUS, "says IN_QUEUE though the request runs"),
    _change(UNKNOWN_STATUS, Kind.STATUS, "says WARMING_UP, a state that nobody knows"),
    _change(NULL_LOGS, Kind.STATUS, "logs is null, though they were asked for"),
    _change(NO_LOGS, Kind.STATUS, "there is no key logs"),
    _change(NO_METRICS, Kind.STATUS, "there is no key metrics"),
    _change(NULL_INFERENCE_TIME, Kind.STATUS, "metrics.inference_time is null"),
    _change(NO_QUEUE_POSITION, Kind.STATUS, "there is no key queue_position"),
    _change(ONLY_STATUS, Kind.STATUS, "there is no key but status"),
)
_RESULT = (
    _reply("result_early", Kind.RESULT, TOO_EARLY, "400 still in progress, though it has ended"),
    _reply("result_typed_500", Kind.RESULT, _TYPED_500, "500 internal_server_error, this once"),
    _reply("result_410", Kind.RESULT, detail("Gone", status=410), "410, this once"),
    _change(SHORT_RESULT, Kind.RESULT, "the connection is closed in the middle of the body"),
)
_CANCEL = (
    _change(CANCEL_200, Kind.CANCEL, "a success is answered 200 OK instead of 202"),
    _change(CANCEL_SUCCESS, Kind.CANCEL, 'a success is answered 200 {"success": true}'),
    _change(CANCEL_STOPS, Kind.CANCEL, "a running request is stopped; its result is 499"),
    _change(CANCEL_FORGETS, Kind.CANCEL, "a cancelled request is 404 from then on"),
    _change(CANCEL_IGNORED, Kind.CANCEL, "answered 202, and nothing is cancelled"),
    _reply(
        "cancel_400",
        Kind.CANCEL,
        json_answer({"status": "ALREADY_COMPLETED"}, status=400),
        "400 ALREADY_COMPLETED, and nothing is cancelled",
    ),
)
_STREAM = (_change(STREAM_CUT, Kind.STREAM, "the connection is closed after the first event"),)
_HISTORY = (
    _change(HISTORY_NO_ITEMS, Kind.HISTORY, "a page without items, which says that it is the last"),
    _change(HISTORY_NO_PAYLOADS, Kind.HISTORY, "the page's items have no input and no output"),
    _change(HISTORY_ADDED_KEYS, Kind.HISTORY, "inputs show the defaults that the service added"),
    _change(HISTORY_ERROR_OUTPUT, Kind.HISTORY, "failed requests have their error as output"),
    _change(HISTORY_OVERLAP, Kind.HISTORY, "the page begins with the last item of the one before"),
)

READ_FAULTS: tuple[Fault, ...] = (
    *_any_read(Kind.STATUS),
    *_STATUS,
    *_any_read(Kind.RESULT),
    *_RESULT,
    *_any_read(Kind.CANCEL),
    *_CANCEL,
    *_any_read(Kind.STREAM),
    *_STREAM,
    *_any_read(Kind.HISTORY),
    *_HISTORY,
    *_any_read(Kind.PRICING),
)
