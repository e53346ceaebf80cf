from ipaddress import ip_address

import pytest

from batchgen.errors import ImageError
from batchgen.images.addresses import (
    LOOPBACK_REACH,
    PUBLIC_REACH,
    ForbiddenAddressError,
    guarded_socket,
    is_loopback,
    is_public,
    parse_image_url,
)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("8.8.8.8", id="public"),
        pytest.param("104.18.0.1", id="a content network"),
        pytest.param("2606:4700::6810:1", id="IPv6"),
        pytest.param("::ffff:8.8.8.8", id="a public IPv4 mapped into IPv6"),
        pytest.param("64:ff9b::808:808", id="a public IPv4 behind NAT64"),
        pytest.param("2002:808:808::1", id="a public IPv4 behind 6to4"),
    ],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.8.9.1", id="loopback, another"),
        pytest.param("::1", id="loopback in IPv6"),
        pytest.param("0.0.0.0", id="unspecified"),
        pytest.param("::", id="unspecified in IPv6"),
        pytest.param("10.1.2.3", id="private, 10"),
        pytest.param("172.16.0.1", id="private, 172.16"),
        pytest.param("192.168.1.1", id="private, 192.168"),
        pytest.param("100.100.100.200", id="shared by a carrier, where a cloud has its metadata"),
        pytest.param("169.254.169.254", id="link-local, where clouds have their metadata"),
        pytest.param("fe80::1", id="link-local in IPv6"),
        pytest.param("fe80::1%1", id="link-local with a zone"),
        pytest.param("fd00:ec2::254", id="unique local"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("224.0.1.1", id="multicast"),
        pytest.param("ff0e::1", id="multicast in IPv6"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("192.0.2.1", id="documentation"),
        pytest.param("192.0.0.9", id="protocol assignments"),
        pytest.param("192.88.99.1", id="6to4 relays"),
        pytest.param("198.18.0.1", id="benchmarking"),
        pytest.param("2001:db8::1", id="documentation in IPv6"),
        pytest.param("3fff::1", id="documentation in IPv6, the new one"),
        pytest.param("2001:0:7f00:1::", id="Teredo"),
        pytest.param("::ffff:127.0.0.1", id="loopback mapped into IPv6"),
        pytest.param("::ffff:10.0.0.1", id="private mapped into IPv6"),
        pytest.param("::127.0.0.1", id="loopback in the old compatible form"),
        pytest.param("64:ff9b::7f00:1", id="loopback behind NAT64"),
        pytest.param("64:ff9b::a9fe:a9fe", id="link-local behind NAT64"),
        pytest.param("64:ff9b:1::808:808", id="a NAT64 of somebody's own"),
        pytest.param("2002:7f00:1::1", id="loopback behind 6to4"),
        pytest.param("2002:c0a8:101::1", id="private behind 6to4"),
        pytest.param("4000::1", id="not assigned"),
    ],
)
def test_addresses_that_only_we_or_our_neighbours_have_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("127.0.0.1", True, id="IPv4"),
        pytest.param("::1", True, id="IPv6"),
        pytest.param("::ffff:127.0.0.1", True, id="mapped"),
        pytest.param("192.168.0.1", False, id="a neighbour"),
        pytest.param("8.8.8.8", False, id="the internet"),
    ],
)
def test_loopback_is_this_machine(address: str, expected: bool) -> None:
    assert is_loopback(ip_address(address)) is expected


def test_a_socket_is_made_for_an_allowed_address_only() -> None:
    make = guarded_socket(is_public)

    with make((2, 1, 6, "", ("8.8.8.8", 443))) as sock:
        assert sock.family == 2
    with pytest.raises(ForbiddenAddressError, match=r"127\.0\.0\.1"):
        make((2, 1, 6, "", ("127.0.0.1", 443)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("https://h.example/a.png", "https://h.example/a.png", id="plain"),
        pytest.param("HTTPS://H.example/A.png", "https://H.example/A.png", id="the path's case"),
        pytest.param("https://h/%2F%7e+a?s=%2b~", "https://h/%2F%7e+a?s=%2b~", id="a signature"),
        pytest.param("https://h/a b.png", "https://h/a%20b.png", id="a blank"),
        pytest.param("https://h/ä.png", "https://h/%C3%A4.png", id="a letter beyond ASCII"),
        pytest.param("https://[2606:4700::1]:8443/a", "https://[2606:4700::1]:8443/a", id="IPv6"),
    ],
)
def test_a_url_is_asked_for_as_it_is_written(text: str, expected: str) -> None:
    assert str(parse_image_url(text, reach=PUBLIC_REACH)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("http://h/a.png", "over https, not over 'http'", id="plain http"),
        pytest.param("file:///etc/passwd", "not over 'file'", id="a file"),
        pytest.param("ftp://h/a.png", "not over 'ftp'", id="ftp"),
        pytest.param("data:image/png;base64,AA==", "not over 'data'", id="a data URI"),
        pytest.param("//h/a.png", "not over 'nothing'", id="no scheme"),
        pytest.param("", "not over 'nothing'", id="nothing"),
        pytest.param("https:///a.png", "names no host", id="no host"),
        pytest.param("https://user:pw@h/a.png", "user name", id="a user name"),
        pytest.param("https://fal.media@h/a.png", "user name", id="a user name that misleads"),
        pytest.param("https://@h/a.png", "user name", id="an empty user name"),
        pytest.param("https://h:99999/a.png", "is none", id="a port that is none"),
        pytest.param("https://[::1/a.png", "is none", id="half an IPv6 address"),
        pytest.param("https://h\\@evil/a.png", "is none", id="a backslash"),
        pytest.param("https://h/a\r\nX-Injected: 1", "control characters", id="a line break"),
        pytest.param("https://h/a\x00", "control characters", id="a zero"),
    ],
)
def test_what_is_no_url_of_an_image_is_refused(text: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_image_url(text, reach=PUBLIC_REACH)


def test_plain_http_is_for_a_queue_on_loopback() -> None:
    url = parse_image_url("http://127.0.0.1:8700/files/a.png", reach=LOOPBACK_REACH)

    assert url.port == 8700
    assert LOOPBACK_REACH["http"](ip_address("127.0.0.1"))
    assert not LOOPBACK_REACH["http"](ip_address("192.168.0.1"))
    assert LOOPBACK_REACH["https"](ip_address("192.168.0.1"))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("/b/c.png?x=1", "https://h.example/b/c.png?x=1", id="a path"),
        pytest.param("c.png", "https://h.example/a/c.png", id="a name"),
        pytest.param("//other.example/c", "https://other.example/c", id="a host"),
        pytest.param("https://other.example/%7e", "https://other.example/%7e", id="a whole URL"),
    ],
)
def test_a_redirect_may_be_relative(location: str, expected: str) -> None:
    here = parse_image_url("https://h.example/a/b.png", reach=PUBLIC_REACH)

    assert str(parse_image_url(location, reach=PUBLIC_REACH, here=here)) == expected
