"""Signalling with a port and a fan-out that do nothing by themselves."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any, cast

from tests.segmenter.stage import SOURCE
from tests.webrtc.checks import nominating_check
from tests.webrtc.offers import offer
from tests.webrtc.test_ice import HOME
from tests.webrtc.test_subscription import OPUS
from webrtc.dtls import NegotiatedKeys
from webrtc.events import SignallingEvent
from webrtc.fanout_events import Event
from webrtc.flow_table import FlowTable
from webrtc.ice import Candidate, Flow, IceCredentials, host_candidate
from webrtc.rendition import Rendition
from webrtc.session import State
from webrtc.session_table import SessionLimits
from webrtc.signalling import Signalling
from webrtc.signalling_results import Answer
from webrtc.subscriber import Subscriber
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

WHEP = offer("chromium-whep")
WHIP = offer("chromium-whip-simulcast")
CLIENT = "203.0.113.5"
AGAIN = IceCredentials("again", "a" * 22)


@dataclass
class FakePort:
    """A port on which nothing arrives but what the test hands to its table."""

    table: FlowTable = field(default_factory=FlowTable)
    candidates: tuple[Candidate, ...] = (host_candidate("192.0.2.1", 8189, rank=0),)
    is_lite: bool = True
    by_version: dict[int, int] = field(default_factory=lambda: {4: 0})
    sent: list[tuple[Flow, bytes]] = field(default_factory=list)

    def send(self, flow: Flow, datagram: bytes) -> None:
        self.sent.append((flow, datagram))

    def media_flow(self, flow: Flow) -> Flow:
        return flow


class FakeFanout:
    """A fan-out that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        self._numbers = itertools.count(1)

    def add_viewer(self, settings: object) -> int:
        number = next(self._numbers)
        self.calls.append(("add", number))
        return number

    def play(self, viewer: int, kind: str, ring: int, since: str) -> None:
        self.calls.append(("play", viewer, kind, ring))

    def pause(self, viewer: int, kind: str) -> None:
        self.calls.append(("pause", viewer, kind))

    def set_address(self, viewer: int, address: tuple[str, int], socket: int) -> None:
        self.calls.append(("address", viewer, address, socket))

    def set_ice(self, viewer: int, username: str, password: str) -> None:
        self.calls.append(("ice", viewer, username))

    def remove_viewer(self, viewer: int) -> None:
        self.calls.append(("remove", viewer))

    def poll(self) -> list[Event]:
        events, self.events = self.events, []
        return events


class Stage:
    """Signalling before fakes, with a clock of the test's own."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.now = 100.0
        self.port = FakePort()
        self.fanout = FakeFanout()
        self.events: list[SignallingEvent] = []
        self.signalling = Signalling(
            self.port, cast(Any, self.fanout), self.events.append,
            now=lambda: self.now, limits=limits,
        )  # fmt: skip

    def go_live(self, *tracks: Any) -> None:
        renditions = [Rendition(track, n + 1, 1_000_000) for n, track in enumerate(tracks)]
        self.signalling.announce(
            "live", renditions or [Rendition(SOURCE, 1, 1), Rendition(OPUS, 2, 1)]
        )

    def subscribe(self, text: str = WHEP) -> Answer:
        return self.signalling.subscribe("live", text, CLIENT)

    def check(
        self, session_id: str, flow: Flow = HOME, *, by: IceCredentials | None = None
    ) -> None:
        """The peer's nominating check, with the session's newest credentials."""
        agent = self.signalling.session(session_id).agent
        raw = nominating_check(by or agent.remote, agent.local)
        self.port.table.receive(raw, flow, self.now)

    def connect(self, session_id: str) -> Subscriber:
        """As if DTLS had come up."""
        session = self.signalling.session(session_id)
        session.take_keys(_KEYS)
        assert session.state is State.CONNECTED
        assert isinstance(session.role, Subscriber)
        return session.role

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.signalling.handle_timer(self.now)


_SRTP = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(16), bytes(12))
_KEYS = NegotiatedKeys(_SRTP, _SRTP)


def sdp_value(text: str, name: str) -> str:
    found = re.search(rf"a={name}:(.*)\r\n", text)
    assert found is not None
    return found[1]


def fragment(ice: IceCredentials | None = None, *lines: str) -> str:
    head = [f"a=ice-ufrag:{ice.ufrag}", f"a=ice-pwd:{ice.password}"] if ice else []
    return "\r\n".join([*head, "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", *lines]) + "\r\n"
