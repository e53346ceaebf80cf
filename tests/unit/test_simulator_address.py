"""What the paths of the queue API name."""

from __future__ import annotations

import pytest

from batchgen.simulator.address import Address, Page, parse_address

APP = "fal-ai/nano-banana-2"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/fal-ai/nano-banana-2", Address(application=APP), id="an endpoint"),
        pytest.param(
            "/fal-ai/nano-banana-2/edit", Address(application=APP, path="edit"), id="a sub-path"
        ),
        pytest.param(
            "/workflows/ann/shop/big",
            Address(application="workflows/ann/shop", path="big"),
            id="a namespace shifts the split by one",
        ),
        pytest.param(
            "/comfy/ann/shop/requests/r1/status",
            Address(application="comfy/ann/shop", request_id="r1", page=Page.STATUS),
            id="a request under a namespace",
        ),
        pytest.param(
            "/fal-ai/nano-banana-2/requests/r1",
            Address(application=APP, request_id="r1"),
            id="a result",
        ),
        pytest.param(
            "/fal-ai/nano-banana-2/requests/r1/response",
            Address(application=APP, request_id="r1", page=Page.RESPONSE),
            id="a result by its other name",
        ),
        pytest.param(
            "/fal-ai/nano-banana-2/requests/r1/status/stream",
            Address(application=APP, request_id="r1", page=Page.STREAM),
            id="a stream",
        ),
        pytest.param(
            "/fal-ai/nano-banana-2/edit/requests/r1/cancel",
            Address(application=APP, path="edit", request_id="r1", page=Page.CANCEL),
            id="under the sub-path, where nothing lives",
        ),
        pytest.param("/", None, id="nothing"),
        pytest.param("/fal-ai", None, id="half a name"),
        pytest.param("/workflows/ann", None, id="half a name in a namespace"),
        pytest.param("/fal-ai/nano-banana-2/requests", None, id="no id"),
        pytest.param("/fal-ai/nano-banana-2/requests/r1/other", None, id="no such page"),
    ],
)
def test_addresses(path: str, expected: Address | None) -> None:
    assert parse_address(path) == expected
