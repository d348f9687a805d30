"""Where webhooks may go: not into the network that we ourselves are in.

A name is resolved once, right before connecting, and the connection is made to the address that was
looked at: a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """No address of a host may be connected to."""


def is_public(text: str) -> bool:
    """Whether an address is of the public Internet, also when it is wrapped in another one."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


def connect(host: str, port: int, timeout_s: float, *, allow_private: bool) -> socket.socket:
    """A connection to an allowed address of `host`. Raises OSError, AddressRefused among them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = [each for each in found if allow_private or is_public(str(each[4][0]))]
    if not allowed:
        raise AddressRefused(f"{host} has no public address")
    failure: OSError | None = None
    for family, kind, protocol, _, place in allowed:
        attempt = socket.socket(family, kind, protocol)
        attempt.settimeout(timeout_s)
        try:
            attempt.connect(place)
        except OSError as error:
            attempt.close()
            failure = error
            continue
        return attempt
    assert failure is not None
    raise failure
