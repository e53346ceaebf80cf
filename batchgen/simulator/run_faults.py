"""What can become of an accepted request, other than good images."""

from __future__ import annotations

from batchgen.simulator.failure import FAILURES
from batchgen.simulator.fault import Fault, Kind

# Names that the code looks for.
STEP_BACK = "step_back"
STUCK = "stuck"
STUCK_IN_QUEUE = "stuck_in_queue"
SLOW_RUN = "slow_run"

QUIET_FAILURE = "quiet_failure"
CHARGED_FAILURE = "charged_failure"
FREE_FAILURE = "free_failure"
HOSTILE_ERROR = "hostile_error"
HOSTILE_ERROR_TYPE = "hostile_error_type"
FAILED_STATUS = "failed_status"
ERROR_STATUS = "error_status"
CANCELLED_STATUS = "cancelled_status"
FAILED_WITH_RESULT = "failed_status_with_result"

EMPTY_IMAGES = "empty_images"
NO_IMAGES_KEY = "no_images_key"
FEWER_IMAGES = "fewer_images"
DATA_URI = "data_uri"
NULL_SIZE = "null_size"
ONLY_IMAGE_URLS = "only_image_urls"
HOSTILE_FILE_NAME = "hostile_file_name"
HOSTILE_DESCRIPTION = "hostile_description"
PRIVATE_IMAGE_URL = "private_image_url"
FILE_IMAGE_URL = "file_image_url"
NO_UNITS = "no_units"
SERVED_ELSEWHERE = "served_elsewhere"

LOST_RESULT = "lost_result"
FORGOTTEN = "forgotten"
MOVED_IMAGES = "moved_images"
GONE_IMAGES = "gone_images"
UNLISTED = "unlisted"
NO_PAYLOADS = "no_payloads"


def _run(name: str, text: str, *, alias: str = "") -> Fault:
    return Fault(name=name, on=Kind.RUN, text=text, alias=alias)


def _failing(name: str) -> Fault:
    failure = FAILURES[name]
    header = " with X-Fal-Request-Timeout-Type: user" if name == "request_timeout_user" else ""
    shape = "a list" if isinstance(failure.body["detail"], list) else "a text"
    text = f"COMPLETED, then {failure.status} {failure.error_type}{header}; detail is {shape}"
    return _run(name, text)


_WALKS = (
    _run(STEP_BACK, "half-way through it goes back from IN_PROGRESS to IN_QUEUE, once"),
    _run(STUCK, "IN_PROGRESS for ever; it holds no runner"),
    _run(STUCK_IN_QUEUE, "IN_QUEUE for ever"),
    _run(SLOW_RUN, "takes ten times as long"),
)

_SHADES = (
    _run(QUIET_FAILURE, "if it fails, the status says COMPLETED without error or error_type"),
    _run(CHARGED_FAILURE, "if it fails, the images asked for are reported as billed"),
    _run(FREE_FAILURE, "if it fails, 0 units are reported as billed"),
    _run(HOSTILE_ERROR, "fails, with a text that is a formula with control characters"),
    _run(HOSTILE_ERROR_TYPE, "fails, with a type that is a formula with control characters"),
    _run(FAILED_STATUS, "fails, and the status is FAILED"),
    _run(ERROR_STATUS, "fails, and the status is ERROR"),
    _run(CANCELLED_STATUS, "fails, and the status is CANCELLED"),
    _run(FAILED_WITH_RESULT, "the status is FAILED, the result has images all the same"),
)

_RESULTS = (
    _run(EMPTY_IMAGES, "the result is 200 with an empty list of images"),
    _run(NO_IMAGES_KEY, "the result is 200 without images, only a description"),
    _run(FEWER_IMAGES, "one image less than asked for, if several were asked for"),
    _run(DATA_URI, "images stand in the result as data URIs, though sync_mode was not asked for"),
    _run(NULL_SIZE, "width, height and content_type are null"),
    _run(ONLY_IMAGE_URLS, "images have a url and nothing else"),
    _run(HOSTILE_FILE_NAME, "file_name climbs out of its folder"),
    _run(HOSTILE_DESCRIPTION, "description is a formula with control characters"),
    _run(PRIVATE_IMAGE_URL, "the images' URLs name a private address"),
    _run(FILE_IMAGE_URL, "the images' URLs begin with file://"),
    _run(NO_UNITS, "the result says nothing of billed units"),
    _run(SERVED_ELSEWHERE, "X-Fal-Served-From names another model"),
)

_AFTERWARDS = (
    _run(LOST_RESULT, "COMPLETED, and the result is 404"),
    _run(FORGOTTEN, "once it has ended, status and result are 404"),
    _run(MOVED_IMAGES, "the first URLs are 410; those of a second read of the result work"),
    _run(GONE_IMAGES, "its images are 410, whatever is read"),
    _run(UNLISTED, "the history never lists it"),
    _run(NO_PAYLOADS, "the history lists it without input and output"),
)

RUN_FAULTS: tuple[Fault, ...] = (
    *_WALKS,
    *(_failing(name) for name in FAILURES),
    *_SHADES,
    *_RESULTS,
    *_AFTERWARDS,
)
