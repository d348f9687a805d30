"""Addresses of clients, as sockets, URLs and proxies write them. Sans-IO."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(remote: str) -> str:
    """The host in "10.0.0.1:5", "[2001:db8::1]:5", "2001:db8::1" or "localhost:80"."""
    host = remote.strip()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def parse_address(text: str) -> Address | None:
    """The address that `text` is; None where it is none.

    A socket for both families writes 10.0.0.1 as ::ffff:10.0.0.1 (RFC 4291 2.5.5.2): that is
    10.0.0.1 here.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped: ipaddress.IPv4Address | None = getattr(address, "ipv4_mapped", None)
    return mapped or address


def is_in(text: str, networks: Iterable[Network]) -> bool:
    """Whether `text` is an address of one of the `networks`."""
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
