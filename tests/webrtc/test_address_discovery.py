"""Our address by a STUN server's word."""

from __future__ import annotations

import pytest

from webrtc.address_discovery import AGAIN_S, MOST_REQUESTS, AddressDiscovery
from webrtc.flow_table import MAX_FLOWS_PER_ENDPOINT, FlowTable
from webrtc.ice import Flow
from webrtc.stun import BINDING_REQUEST, parse_stun, render_error, render_stun, render_success

SERVER = Flow(0, "198.51.100.1", 3478)


class Scene:
    """A discovery and what it said."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.addresses: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self.table = FlowTable()
        self._numbers = iter(range(1000))
        self.server: Flow | None = SERVER
        """What its name means."""
        self.discovery = AddressDiscovery(
            lambda flow, datagram: self.sent.append(datagram) if flow == self.asked else None,
            lambda host, port: self.addresses.append((host, port)),
            self.failures.append,
            lambda size: next(self._numbers).to_bytes(size, "big"),
        )
        self.asked = SERVER

    def tick(self, now: float) -> None:
        if self.discovery.is_round_due(now):
            if self.server is not None:
                self.table.learn(self.server, self.discovery)
                self.asked = self.server
            self.discovery.begin_round(self.server, now)
        self.discovery.handle_timer(now)

    def answer(self, host: str = "203.0.113.9", port: int = 40_000, now: float = 0.1) -> None:
        request = parse_stun(self.sent[-1])
        self.table.receive(render_success(request, host, port, "x"), self.asked, now)


def test_an_address_is_told_once_until_it_changes() -> None:
    scene = Scene()
    scene.tick(0.0)
    scene.answer()
    assert scene.addresses == [("203.0.113.9", 40_000)]
    scene.tick(AGAIN_S)
    assert len(scene.sent) == 1
    scene.tick(AGAIN_S + 0.1)
    scene.answer()
    assert len(scene.addresses) == 1
    scene.tick(2 * AGAIN_S + 0.2)
    scene.answer("203.0.113.10")
    assert scene.addresses[1:] == [("203.0.113.10", 40_000)]


def test_a_server_that_is_silent_is_asked_seven_times_and_then_later() -> None:
    scene = Scene()
    times = []
    for step in range(1000):
        now, before = step / 10, len(scene.sent)
        scene.tick(now)
        if len(scene.sent) > before:
            times.append(now)
        if scene.failures:
            break
    assert times == pytest.approx([0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
    assert len(set(scene.sent)) == 1, "one transaction"
    assert scene.failures == ["the STUN server does not answer"]
    scene.tick(now + AGAIN_S)
    assert len(scene.sent) == MOST_REQUESTS + 1
    scene.answer()
    assert scene.addresses


def test_what_was_not_asked_or_comes_from_elsewhere_tells_nothing() -> None:
    scene = Scene()
    scene.tick(0.0)
    request = parse_stun(scene.sent[0])
    forged = render_success(request, "192.0.2.66", 1, "x")
    scene.table.receive(forged, Flow(0, "192.0.2.66", 3478), 0.1)
    other = parse_stun(render_stun(BINDING_REQUEST, b"\xff" * 12))
    scene.table.receive(render_success(other, "192.0.2.66", 1, "x"), SERVER, 0.1)
    assert scene.addresses == []
    scene.answer()
    scene.answer("192.0.2.66")
    assert scene.addresses == [("203.0.113.9", 40_000)], "a second answer is to no question"


def test_an_error_is_told() -> None:
    scene = Scene()
    scene.tick(0.0)
    scene.table.receive(render_error(parse_stun(scene.sent[0]), 401), SERVER, 0.1)
    assert scene.failures == ["the STUN server does not tell our address"]


def test_a_server_that_has_moved_is_asked_where_it_is_now() -> None:
    scene = Scene()
    scene.tick(0.0)
    scene.answer()
    scene.server = Flow(0, "198.51.100.2", 3478)
    scene.tick(AGAIN_S + 0.1)
    assert len(scene.sent) == 2
    scene.answer("203.0.113.10")
    assert scene.addresses[1:] == [("203.0.113.10", 40_000)]


def test_while_its_name_cannot_be_resolved_the_server_is_asked_where_it_was() -> None:
    scene = Scene()
    scene.tick(0.0)
    scene.answer()
    scene.server = None
    for turn in range(1, 4):
        scene.tick(turn * (AGAIN_S + 1))
        scene.answer(now=turn * (AGAIN_S + 1))
    assert len(scene.sent) == 4
    assert scene.failures == ["the STUN server's name cannot be resolved"] * 3


def test_a_failure_that_lasts_is_told_once() -> None:
    scene = Scene()
    scene.server = None
    for second in range(200):
        scene.tick(float(second))
    assert scene.sent == []
    scene.server = SERVER
    for second in range(200, 400):
        scene.tick(float(second))
    assert scene.failures == [
        "the STUN server's name cannot be resolved",
        "the STUN server does not answer",
    ]
    scene.answer(now=400.0)
    for second in range(401, 500):
        scene.tick(float(second))
    assert scene.failures[2:] == ["the STUN server does not answer"]


def test_a_server_that_moves_for_ever_keeps_few_routes() -> None:
    scene = Scene()
    for turn in range(100):
        scene.server = Flow(0, f"198.51.100.{turn}", 3478)
        scene.tick(turn * (AGAIN_S + 1))
        scene.answer(now=turn * (AGAIN_S + 1))
    assert len(scene.sent) == 100
    assert len(scene.table) <= MAX_FLOWS_PER_ENDPOINT
