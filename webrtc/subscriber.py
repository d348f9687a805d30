"""A viewer: from keys to packets, and which rendition it gets.

The fan-out sends; here is only what needs judgement: which ring, and when another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webrtc.bandwidth import BandwidthEstimate
from webrtc.bitrate import Bitrate
from webrtc.dtls import NegotiatedKeys
from webrtc.fanout import Fanout
from webrtc.fanout_events import ViewerSummary
from webrtc.ice import Flow
from webrtc.ice_lite import IceAgent
from webrtc.rendition import Rendition
from webrtc.rendition_choice import RenditionChoice
from webrtc.subscription import SendPlan
from webrtc.viewer_settings import Kind, StreamSettings, ViewerSettings


@dataclass(frozen=True, slots=True)
class SubscriberStatistics:
    """One viewer; what it was sent the fan-out counts."""

    playing: dict[Kind, str]
    """Names of the renditions."""
    chosen: str | None
    """The video rendition that the viewer wants whatever the bandwidth."""
    switches: int
    """To other renditions, whoever wanted them."""
    bitrates: dict[Kind, int]
    """Bits per second of payload that it was sent lately."""


class Subscriber:
    """Owns one viewer of the fan-out; the Role of its session.

    ``media_flow`` says where the fan-out reaches the peer of a flow. `renditions` are those of the
    path, of which only some suit what was negotiated.
    """

    def __init__(
        self,
        fanout: Fanout,
        stream: str,
        plans: Sequence[SendPlan],
        renditions: Sequence[Rendition],
        agent: IceAgent,
        media_flow: Callable[[Flow], Flow],
        cname: str,
        wanted: frozenset[Kind] = frozenset(),
    ) -> None:
        """``wanted`` is what the viewer would receive, whether or not it was agreed on."""
        self.stream = stream
        self.viewer: int | None = None
        """The fan-out's number of it, once media may flow."""
        self.playing: dict[Kind, Rendition] = {}
        """What it is sent, or will be when that exists."""
        self._fanout = fanout
        self._plans = {plan.kind: plan for plan in plans}
        self._agent = agent
        self._media_flow = media_flow
        self._cname = cname
        self._choice = RenditionChoice()
        self._estimate = BandwidthEstimate()
        self._chosen: str | None = None
        self._muted: set[Kind] = set()
        self.summary: ViewerSummary | None = None
        """What the fan-out last said of it."""
        self._bitrates: dict[Kind, Bitrate] = {kind: Bitrate() for kind in self._plans}
        self._switches = 0
        self._suited: dict[Kind, list[Rendition]] = {}
        self._wanted = wanted
        self._known: frozenset[Kind] = frozenset()
        """What it lacked when it came."""
        self.refresh(renditions)
        self._known = self._lacking(renditions)
        self.is_lacking = False
        """Whether by now the path has pictures or sound that it could be sent if it asked anew."""

    def connect(self, keys: NegotiatedKeys, flow: Flow, now: float) -> None:
        """Let the fan-out send from the last key frame on."""
        target = self._media_flow(flow)
        plans = self._plans
        username, password = self._agent.active
        self.viewer = self._fanout.add_viewer(
            ViewerSettings(
                address=(target.host, target.port),
                socket=target.socket,
                send_keys=keys.send,
                receive_keys=keys.receive,
                ice_username=username,
                ice_password=password,
                cname=self._cname,
                video=plans["video"].settings if "video" in plans else None,
                audio=plans["audio"].settings if "audio" in plans else None,
            )
        )
        for kind, rendition in self.playing.items():
            self._play(kind, rendition)

    def move(self, flow: Flow) -> None:
        """The peer has another address, or other credentials after an ICE restart."""
        if self.viewer is not None:
            target = self._media_flow(flow)
            self._fanout.set_ice(self.viewer, *self._agent.active)
            self._fanout.set_address(self.viewer, (target.host, target.port), target.socket)

    def receive_media(self, datagram: bytes, now: float) -> None:
        """What the fan-out has not dealt with by itself, which is nothing of ours."""

    def close(self) -> None:
        """Stop sending."""
        if self.viewer is not None:
            self._fanout.remove_viewer(self.viewer)

    def refresh(self, renditions: Sequence[Rendition]) -> None:
        """The path has these renditions now; what it is sent stays if it is still there."""
        for kind, plan in self._plans.items():
            suited = [each for each in renditions if plan.suits(each.track)]
            suited.sort(key=lambda each: each.bitrate)
            self._suited[kind] = suited
            self._keep_or_replace(kind, suited)
        self.is_lacking = bool(self._lacking(renditions) - self._known)

    def _lacking(self, renditions: Sequence[Rendition]) -> frozenset[Kind]:
        """What it wants and there is, and cannot be sent as agreed: pictures in another codec than
        before, or what there was none of. Opus is made of every sound."""
        there = {each.track.media_type.value for each in renditions}
        sent = {kind for kind in self._plans if kind == "audio" or self._suited[kind]}
        return frozenset(kind for kind in self._wanted - sent if kind in there)

    def choose(self, track: str | None) -> bool:
        """Send this video rendition whatever the bandwidth, or None: choose by bandwidth.

        False when there is no such rendition for this viewer.
        """
        suited = self._suited.get("video", [])
        if track is not None and not any(each.name == track for each in suited):
            return False
        self._chosen = track
        self._keep_or_replace("video", suited)
        return True

    def mute(self, kind: Kind, *, is_muted: bool) -> None:
        """Stop sending picture or sound, or go on with it."""
        if is_muted:
            self._muted.add(kind)
            if self.viewer is not None and kind in self.playing:
                self._fanout.pause(self.viewer, kind)
        elif kind in self._muted:
            self._muted.discard(kind)
            if kind in self.playing:
                self._play(kind, self.playing[kind])

    @property
    def chosen(self) -> str | None:
        """What `choose` was last told."""
        return self._chosen

    @property
    def suited_video(self) -> tuple[Rendition, ...]:
        """The video renditions that it may be sent, lowest bitrate first."""
        return tuple(self._suited.get("video", ()))

    @property
    def streams(self) -> dict[Kind, StreamSettings]:
        """How what it is sent is headed."""
        return {kind: plan.settings for kind, plan in self._plans.items()}

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of the video renditions that it may be sent, lowest bitrate first."""
        return tuple(each.name for each in self._suited.get("video", ()))

    def judge(self, summary: ViewerSummary, now: float) -> None:
        """Choose by what the viewer reports; about once a second."""
        self.summary = summary
        self._agent.see(summary.last_seen_s)
        for kind, stream in summary.streams.items():
            self._bitrates[kind].read(stream.bytes, now)
        suited = [each for each in self._suited.get("video", ()) if each.ring is not None]
        bandwidth = self._estimate.update(summary)
        current = self.playing.get("video")
        if bandwidth is None or self._chosen is not None or current not in suited:
            return
        bitrates = [each.bitrate for each in suited]
        index = self._choice.choose(bitrates, suited.index(current), bandwidth, now)
        self._switch("video", suited[index])

    def statistics(self) -> SubscriberStatistics:
        """The present state."""
        playing = {kind: rendition.name for kind, rendition in self.playing.items()}
        bitrates = {kind: one.bits_per_second for kind, one in self._bitrates.items()}
        return SubscriberStatistics(playing, self._chosen, self._switches, bitrates)

    def _keep_or_replace(self, kind: Kind, suited: list[Rendition]) -> None:
        """What plays keeps playing if it may; the ring of the same track may be another."""
        current = self.playing.get(kind)
        wanted = self._chosen if kind == "video" and self._chosen else current and current.name
        found = next((each for each in suited if each.name == wanted), None)
        if found is None and suited:
            there = [each for each in suited if each.ring is not None] or suited
            found = there[self._choice.first([each.bitrate for each in there])]
        if found is None:
            if self.playing.pop(kind, None) is not None and self.viewer is not None:
                self._fanout.pause(self.viewer, kind)
        else:
            self._switch(kind, found)

    def _switch(self, kind: Kind, rendition: Rendition) -> None:
        before = self.playing.get(kind)
        self.playing[kind] = rendition
        if self.viewer is not None and (before is None or before.ring != rendition.ring):
            self._switches += before is not None
            self._play(kind, rendition)

    def _play(self, kind: Kind, rendition: Rendition) -> None:
        if kind in self._muted:
            return
        if self.viewer is not None and rendition.ring is not None:
            self._fanout.play(self.viewer, kind, rendition.ring, "key")
