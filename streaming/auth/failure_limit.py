"""How often an address may be wrong about a secret before it is not listened to. Sans-IO."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from streaming.auth.addresses import address_of, parse_address

MOST_FAILURES: Final = 10
"""In a row without a pause: a person who mistypes needs three, an encoder with an old key that
comes back every few seconds is told why again and again."""
REFILL_S: Final = 6.0
"""One more try after so long: ten a minute in the long run. With a key of `headwater key new` any
rate is safe; this is for keys that people chose."""
MOST_ADDRESSES: Final = 10_000
"""Remembered at once, 2 MB; who attacks from more of them is let try more often."""
IPV6_PREFIX: Final = 64
"""What one subscriber has of IPv6: all of it counts as one address."""


class FailureLimit:
    """Owns a leaky bucket for each address that was wrong lately."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address to failures left in its bucket, and when it was looked at; latest last."""

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until `address` may try again; 0: now."""
        level = self._level(network_of(address), now)
        return max(0.0, (level - (MOST_FAILURES - 1)) * REFILL_S)

    def fail(self, address: str, now: float) -> None:
        """`address` was wrong once more."""
        network = network_of(address)
        self._buckets[network] = self._level(network, now) + 1, now
        self._buckets.move_to_end(network)
        while len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)

    def _level(self, network: str, now: float) -> float:
        level, seen_at = self._buckets.get(network, (0.0, now))
        return max(0.0, level - (now - seen_at) / REFILL_S)


def network_of(remote: str) -> str:
    """The address in `remote`; of IPv6 its network."""
    host = address_of(remote)
    address = parse_address(host)
    if address is None:
        return host
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
