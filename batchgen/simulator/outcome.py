"""What a request comes to: images, or a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from batchgen.simulator import bill
from batchgen.simulator.answer import Json
from batchgen.simulator.failure import (
    FAILURES,
    Failure,
    invalid_input,
    model_failure,
    unknown_path,
)
from batchgen.simulator.request import Ending, Request
from batchgen.simulator.run_faults import (
    CANCELLED_STATUS,
    CHARGED_FAILURE,
    EMPTY_IMAGES,
    ERROR_STATUS,
    FAILED_STATUS,
    FEWER_IMAGES,
    FREE_FAILURE,
    HOSTILE_ERROR,
    HOSTILE_ERROR_TYPE,
    NO_IMAGES_KEY,
)
from batchgen.simulator.schema import Check, check_input

# A spreadsheet runs what begins with = when it opens a table; a terminal obeys the rest: it clears
# the screen, renames the window and rings.
HOSTILE_TEXT = "=cmd|'/C calc'!A0\t\"x\",\r\n\x1b[2J\x1b]0;owned\x07\x00\u202eend"

# Failures that a mark brings although it does not name one.
_IMPLIED = {
    FAILED_STATUS: "internal_error",
    ERROR_STATUS: "internal_error",
    CANCELLED_STATUS: "client_cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a request comes to.

    Attributes:
        failure: Why there are no images, or None.
        images: How many images there are.
        units: What is billed, in units of an image at 1K; None where the service is silent.
    """

    failure: Failure | None
    images: int
    units: Decimal | None

    @property
    def status(self) -> int:
        """The status code of the result."""
        return self.failure.status if self.failure else 200


# The endpoints that the service has: by application, then by path. An endpoint without a
# description takes any input.
Endpoints = Mapping[str, Mapping[str, Mapping[str, Check]]]


def outcome_of(request: Request, endpoints: Endpoints) -> Outcome:
    """Return what a request comes to. It is a function of the request and its marks alone."""
    failure = _failure(request, endpoints)
    if failure is not None:
        return Outcome(failure=failure, images=0, units=_failed_units(failure, request))
    images = _images(request)
    return Outcome(failure=None, images=images, units=bill.units(request.input, images=images))


def check(
    request_input: Mapping[str, Json], application: str, path: str, endpoints: Endpoints
) -> Failure | None:
    """Return why an endpoint does not take an input, or None if it does."""
    checks = endpoints[application].get(path)
    if checks is None:
        return unknown_path(path)
    wrong = check_input(request_input, checks)
    return invalid_input(wrong) if wrong else None


def _failure(request: Request, endpoints: Endpoints) -> Failure | None:
    match request.ending:
        case Ending.CANCELLED:
            return FAILURES["client_cancelled"]
        case Ending.LATE:
            return FAILURES["request_timeout_user"]
        case Ending.DONE | None:
            return check(request.input, request.application, request.path, endpoints) or _marked(
                request
            )


def _marked(request: Request) -> Failure | None:
    marks = request.marks
    for name, failure in FAILURES.items():
        if name in marks:
            return _hostile(failure, marks)
    for mark, name in _IMPLIED.items():
        if mark in marks:
            return _hostile(FAILURES[name], marks)
    if marks & {HOSTILE_ERROR, HOSTILE_ERROR_TYPE}:
        return _hostile(FAILURES["content_policy_violation"], marks)
    return None


def _hostile(failure: Failure, marks: frozenset[str]) -> Failure:
    if not marks & {HOSTILE_ERROR, HOSTILE_ERROR_TYPE}:
        return failure
    made = model_failure(
        failure.error_type,
        status=failure.status,
        text=HOSTILE_TEXT if HOSTILE_ERROR in marks else failure.text,
        said=HOSTILE_TEXT if HOSTILE_ERROR_TYPE in marks else "",
    )
    return replace(made, units=failure.units)


def _failed_units(failure: Failure, request: Request) -> Decimal | None:
    if CHARGED_FAILURE in request.marks:
        return bill.units(request.input, images=request.images)
    if FREE_FAILURE in request.marks:
        return Decimal(0)
    return None if failure.units is None else Decimal(failure.units)


def _images(request: Request) -> int:
    if request.marks & {EMPTY_IMAGES, NO_IMAGES_KEY}:
        return 0
    if FEWER_IMAGES in request.marks:
        return max(1, request.images - 1)
    return request.images
