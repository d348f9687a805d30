"""The WebRTC process's server with a link that tests hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segmenter.media import Track
from streaming.config import WebrtcConfig
from streaming.rtc.messages import (
    PathTracks,
)
from streaming.rtc.server import RtcServer
from streaming.rtc.signal_messages import (
    SignalAnswer,
    SignalRequest,
    Verb,
)
from streaming.transcode.messages import TrackMessage
from tests.segmenter.stage import SMALL, SOURCE
from tests.webrtc.offers import offer
from tests.webrtc.signalling_stage import FakePort
from webrtc.fanout import Fanout

WHEP, WHIP = offer("chromium-whep"), offer("chromium-whip-simulcast")


class Scene:
    """A server, its link's other end, and a clock of the test's own."""

    def __init__(self, fanout: Fanout, **settings: Any) -> None:
        self.now = 100.0
        self.fanout = fanout
        self.sent: list[Any] = []
        self.server = RtcServer(
            WebrtcConfig(**settings),
            fanout,
            FakePort(),
            self.sent.append,
            now=lambda: self.now,
            utc=lambda: 1_800_000_000.0 + self.now,
        )
        self._ids = 0

    def offer_tracks(self, path: str = "live/a", tracks: Sequence[Track] = (SOURCE, SMALL)) -> None:
        messages = tuple(TrackMessage.from_track(track) for track in tracks)
        self.server.receive(PathTracks(path, messages))

    def ask(self, verb: Verb, session: str = "", **fields: Any) -> SignalAnswer | None:
        """The answer, if there is one yet."""
        self._ids += 1
        fields = {"path": "live/a", "remote": "203.0.113.5"} | fields
        self.server.receive(SignalRequest(self._ids, verb, session=session, **fields))
        return self.answer(self._ids)

    def answer(self, number: int) -> SignalAnswer | None:
        found = [m for m in self.sent if isinstance(m, SignalAnswer) and m.id == number]
        return found[0] if found else None

    def view(self, **fields: Any) -> SignalAnswer:
        answer = self.ask("view", body=WHEP, **fields)
        assert answer is not None
        return answer

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.server.handle_timer(self.now)
