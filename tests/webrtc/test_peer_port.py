"""At which addresses peers are told to reach us, and whether ICE lite will do."""

from __future__ import annotations

import pytest

from webrtc import peer_port
from webrtc.peer_port import MAX_ADDRESSES, reachable_addresses


def machine(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """What interfaces have."""

    def found(*, use_ipv4: bool, use_ipv6: bool) -> list[str]:
        assert use_ipv4 is not use_ipv6
        return [one for one in addresses if use_ipv6 is (":" in one)]

    monkeypatch.setattr(peer_port, "get_host_addresses", found)


def test_configured_addresses_are_all_that_is_told_and_lite_will_do() -> None:
    assert reachable_addresses(["203.0.113.7"], ["0.0.0.0", "::"]) == (["203.0.113.7"], True)
    many = [f"203.0.113.{n}" for n in range(20)]
    assert reachable_addresses(many, []) == (many[:MAX_ADDRESSES], True)


def test_a_machine_with_a_public_address_is_lite(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "8.8.4.4", "10.0.0.2")
    assert reachable_addresses([], ["0.0.0.0"]) == (["8.8.4.4", "10.0.0.2"], True)


def test_a_machine_behind_a_nat_checks_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "192.168.1.2", "fd00::2")
    assert reachable_addresses([], ["::", "0.0.0.0"]) == (["fd00::2", "192.168.1.2"], False)


def test_a_socket_of_one_address_is_reached_there_alone() -> None:
    assert reachable_addresses([], ["127.0.0.1"]) == (["127.0.0.1"], False)
