"""A NAT that changes its mind."""

from __future__ import annotations

import socket
import struct

from tests.wire.rebinding import Rebinding, checksum

INSIDE, OUTSIDE, SERVER = "10.77.0.2", "10.77.0.3", "10.77.0.1"


def packet(source: str, destination: str, ports: tuple[int, int], protocol: int = 17) -> bytes:
    body = struct.pack("!HHHH", *ports, 12, 0xABCD) + b"data"
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + addresses
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ends(seen: bytes) -> tuple[str, str, tuple[int, int]]:
    """Source, destination and ports; its header must be sound."""
    assert checksum(seen[:20]) == 0
    ports = struct.unpack_from("!HH", seen, 20)
    return socket.inet_ntoa(seen[12:16]), socket.inet_ntoa(seen[16:20]), (ports[0], ports[1])


def test_before_it_nothing_is_touched() -> None:
    nat = Rebinding(INSIDE, OUTSIDE)
    there, back = packet(INSIDE, SERVER, (5000, 8189)), packet(SERVER, INSIDE, (8189, 5000))
    assert nat.outward(there) == there
    assert nat.inward(back) == back


def test_after_it_the_server_sees_another_viewer_and_answers_reach_the_old_one() -> None:
    nat = Rebinding(INSIDE, OUTSIDE)
    nat.rebind()
    source, destination, (port, to) = ends(nat.outward(packet(INSIDE, SERVER, (5000, 8189))))
    assert (source, destination, to) == (OUTSIDE, SERVER, 8189)
    assert port != 5000
    answer = nat.inward(packet(SERVER, OUTSIDE, (8189, port)))
    assert answer is not None
    assert ends(answer) == (SERVER, INSIDE, (8189, 5000))
    assert answer.endswith(b"data")


def test_what_is_sent_to_the_old_mapping_gets_lost() -> None:
    nat = Rebinding(INSIDE, OUTSIDE)
    nat.rebind()
    assert nat.inward(packet(SERVER, INSIDE, (8189, 5000))) is None


def test_each_rebinding_gives_other_ports() -> None:
    nat, ports = Rebinding(INSIDE, OUTSIDE), set()
    for _ in range(3):
        nat.rebind()
        ports.add(ends(nat.outward(packet(INSIDE, SERVER, (65_000, 8189))))[2][0])
    assert len(ports) == 3


def test_tcp_goes_on_as_it_was() -> None:
    nat = Rebinding(INSIDE, OUTSIDE)
    nat.rebind()
    there = packet(INSIDE, SERVER, (5000, 8080), protocol=6)
    assert nat.outward(there) == there
