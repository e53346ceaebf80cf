"""Which queue a run talks to, and as whom: what the environment may say, and where the key goes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batchgen.errors import UsageError
from batchgen.service import (
    DEFAULT_PLATFORM_URL,
    DEFAULT_QUEUE_URL,
    Service,
    find_service,
    is_loopback,
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, DEFAULT_QUEUE_URL, id="nothing said"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a.example"}, "https://a.example", id="ours"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a.example/"}, "https://a.example", id="slash"),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "https://a.example/q/"}, "https://a.example/q", id="path"
        ),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "https://a.example:8443"}, "https://a.example:8443", id="port"
        ),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "http://127.0.0.1:8700"}, "http://127.0.0.1:8700", id="loopback"
        ),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "http://[::1]:8700"}, "http://[::1]:8700", id="loopback 6"
        ),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "http://localhost:1"}, "http://localhost:1", id="localhost"
        ),
        pytest.param({"BATCHGEN_QUEUE_URL": "  "}, DEFAULT_QUEUE_URL, id="blank"),
        pytest.param(
            {"FAL_QUEUE_RUN_HOST": "q.example"}, "https://q.example", id="the client's queue"
        ),
        pytest.param(
            {"FAL_RUN_HOST": "run.example"}, "https://queue.run.example", id="the client's"
        ),
        pytest.param(
            {"FAL_QUEUE_RUN_HOST": "q.example", "FAL_RUN_HOST": "run.example"},
            "https://q.example",
            id="the queue's host beats the other",
        ),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "https://a.example", "FAL_QUEUE_RUN_HOST": "q.example"},
            "https://a.example",
            id="and ours beats both",
        ),
    ],
)
def test_the_queues_address(environ: Mapping[str, str], expected: str) -> None:
    assert find_service(environ).queue_url == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, DEFAULT_PLATFORM_URL, id="beside the real queue"),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": f"{DEFAULT_QUEUE_URL}/"}, DEFAULT_PLATFORM_URL, id="spelled out"
        ),
        pytest.param({"FAL_RUN_HOST": "fal.run"}, DEFAULT_PLATFORM_URL, id="by the client's name"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a.example"}, "", id="none beside another"),
        pytest.param({"FAL_RUN_HOST": "run.example"}, "", id="nor beside the client's"),
        pytest.param(
            {
                "BATCHGEN_QUEUE_URL": "http://127.0.0.1:1",
                "BATCHGEN_PLATFORM_URL": "http://127.0.0.1:1/v1/",
            },
            "http://127.0.0.1:1/v1",
            id="unless it is named",
        ),
    ],
)
def test_the_platforms_address(environ: Mapping[str, str], expected: str) -> None:
    assert find_service(environ).platform_url == expected


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param({"BATCHGEN_QUEUE_URL": "queue.fal.run"}, "BATCHGEN_QUEUE_URL", id="no scheme"),
        pytest.param({"BATCHGEN_QUEUE_URL": "ftp://a.example"}, "BATCHGEN_QUEUE_URL", id="ftp"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://"}, "BATCHGEN_QUEUE_URL", id="no host"),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "https://[::1"}, "BATCHGEN_QUEUE_URL", id="half a host"
        ),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a:99999"}, "BATCHGEN_QUEUE_URL", id="no port"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a:b"}, "BATCHGEN_QUEUE_URL", id="no number"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a?b=c"}, "nothing else", id="a query"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://a#b"}, "nothing else", id="a fragment"),
        pytest.param({"BATCHGEN_QUEUE_URL": "https://me:pw@a"}, "nothing else", id="a user"),
        pytest.param({"BATCHGEN_QUEUE_URL": "http://a.example"}, "plain http", id="in the clear"),
        pytest.param({"BATCHGEN_QUEUE_URL": "http://10.0.0.1"}, "plain http", id="a private host"),
        pytest.param(
            {"BATCHGEN_QUEUE_URL": "http://127.0.0.1.a.example"}, "plain http", id="as if loopback"
        ),
        pytest.param(
            {"BATCHGEN_PLATFORM_URL": "http://a.example"}, "BATCHGEN_PLATFORM_URL", id="platform"
        ),
        pytest.param({"FAL_QUEUE_RUN_HOST": "a b"}, "FAL_QUEUE_RUN_HOST", id="the client's queue"),
        pytest.param({"FAL_RUN_HOST": "https://a"}, "FAL_RUN_HOST", id="the client's"),
    ],
)
def test_an_address_that_is_none_is_refused_by_its_name(
    environ: Mapping[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        find_service(environ)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        find_service({"BATCHGEN_QUEUE_URL": "https://me:geheim@a.example"})

    assert "geheim" not in str(caught.value)


# -- the key -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"FAL_KEY": "id:secret"}, "id:secret", id="whole"),
        pytest.param({"FAL_KEY": " id:secret\n"}, "id:secret", id="with blanks around it"),
        pytest.param({"FAL_KEY_ID": "id", "FAL_KEY_SECRET": "secret"}, "id:secret", id="in two"),
        pytest.param(
            {"FAL_KEY": "a:b", "FAL_KEY_ID": "id", "FAL_KEY_SECRET": "secret"}, "a:b", id="both"
        ),
        pytest.param({"FAL_KEY_ID": "id"}, "", id="half of it"),
        pytest.param({"FAL_KEY": ""}, "", id="empty"),
        pytest.param({}, "", id="none"),
    ],
)
def test_the_key(environ: Mapping[str, str], expected: str) -> None:
    assert find_service(environ).key == expected


@pytest.mark.parametrize("key", ["id:sec ret", "id:sec\nret", "id:geheimß", "id:\x00secret"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_service({"FAL_KEY": key})

    assert "sec" not in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_service_never_shows_its_key() -> None:
    service = Service(key="id:geheim")

    assert "geheim" not in repr(service)
    assert "geheim" not in str(service)


def test_an_account_is_known_by_the_beginning_of_its_keys_digest() -> None:
    assert Service(key="id:secret").account == "fc69635e"
    assert Service(key="id:other").account != "fc69635e"


# -- this machine ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(Service(), False, id="the real one"),
        pytest.param(Service(simulated=True), True, id="a simulated one"),
        pytest.param(Service(queue_url="http://127.0.0.1:1"), True, id="one on this machine"),
    ],
)
def test_where_nothing_can_be_spent(service: Service, expected: bool) -> None:
    assert service.is_free is expected
