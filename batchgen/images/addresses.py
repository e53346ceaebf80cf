"""Decide which addresses an image may be fetched from.

The URL of an image comes from an answer, or from a row that anybody may have edited. It must
not make us knock at the machine's own services or at its neighbours'. So the address is judged
at the last moment, when the socket for it is made: what a name resolves to, and what a number
written in some odd way means, is settled by then.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from yarl import URL

from batchgen.errors import ImageError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Address: TypeAlias = IPv4Address | IPv6Address

# Scheme → which addresses may be connected to under it. A scheme that is absent is refused.
Reach: TypeAlias = Mapping[str, Callable[[Address], bool]]

# What `socket.getaddrinfo` tells of one address.
AddressInfo: TypeAlias = tuple[
    "int | socket.AddressFamily",
    "int | socket.SocketKind",
    int,
    str,
    "tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]",
]

# Everything public in IPv6 lies in here. Source: RFC 4291, section 2.4; IANA's registry.
_GLOBAL_UNICAST = IPv6Network("2000::/3")

# Translators put an IPv4 address into the last 32 bits. Source: RFC 6052, section 2.1.
_NAT64 = IPv6Network("64:ff9b::/96")

# Anycast relays to 6to4, and what Python takes for public only since some of its 3.11 versions
# did. Source: IANA's special-purpose address registries.
_NOT_PUBLIC_V4 = (IPv4Network("192.88.99.0/24"), IPv4Network("192.0.0.0/24"))
_NOT_PUBLIC_V6 = (IPv6Network("2001::/23"), IPv6Network("3fff::/20"))


class ForbiddenAddressError(OSError):
    """An image's host has an address that images are not fetched from."""


def is_loopback(address: Address) -> bool:
    """Say whether an address is this very machine."""
    return _unmapped(address).is_loopback


def is_public(address: Address) -> bool:
    """Say whether an address is one that anybody on the internet would reach.

    Private, link-local, loopback, multicast, reserved and unspecified ones are not, however
    they are wrapped: mapped into IPv6, translated (NAT64), or tunnelled (6to4).
    """
    address = _unmapped(address)
    if isinstance(address, IPv4Address):
        special = any(address in network for network in _NOT_PUBLIC_V4)
        return address.is_global and not address.is_multicast and not special
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    special = any(address in network for network in _NOT_PUBLIC_V6)
    return address in _GLOBAL_UNICAST and address.is_global and not special


def _anywhere(_: Address) -> bool:
    return True


# For a queue on the internet.
PUBLIC_REACH: Reach = {"https": is_public}

# For a queue on loopback, a simulator or a tunnel.
LOOPBACK_REACH: Reach = {"https": _anywhere, "http": is_loopback}


def guarded_socket(allows: Callable[[Address], bool]) -> Callable[[AddressInfo], socket.socket]:
    """Return a maker of sockets that refuses the addresses which `allows` does not allow.

    Raises:
        ForbiddenAddressError: By the maker. It is an `OSError`, so that another address of the
            same host is tried.
    """

    def open_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, place = info
        if not allows(ip_address(place[0])):
            raise ForbiddenAddressError(f"{place[0]} is not an address to fetch images from")
        return socket.socket(family, kind, protocol)

    return open_socket


def parse_image_url(text: str, *, reach: Reach, here: URL | None = None) -> URL:
    """Return the URL of an image, byte for byte as it is written where that is possible.

    Args:
        text: The URL.
        reach: Which schemes there are.
        here: Where a redirect to this URL came from; it completes a relative one.

    Raises:
        ImageError: It is no URL, names a scheme that is not in `reach`, or has a user name.
    """
    if _CONTROL.search(text) is not None:
        raise ImageError("the URL of the image has control characters in it")
    # A signature covers what was written; tidying a well-formed URL up would break it.
    as_written = text.isascii() and " " not in text
    try:
        url = URL(text, encoded=as_written)
        return _checked(url if here is None else here.join(url), reach)
    except ValueError as error:
        raise ImageError(f"the URL of the image is none: {error}") from error


def _checked(url: URL, reach: Reach) -> URL:
    if url.scheme not in reach:
        raise ImageError(
            f"images are fetched over {' or '.join(reach)}, not over {url.scheme or 'nothing'!r}"
        )
    if not url.host:
        raise ImageError("the URL of the image names no host")
    if "@" in url.raw_authority:
        raise ImageError(f"the URL of the image at {url.host} has a user name in it")
    return url


def _unmapped(address: Address) -> Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
