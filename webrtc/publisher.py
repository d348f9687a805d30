"""A publisher: from protected packets to samples, and what it is told in return.

Packets find their source by SSRC; a new SSRC by its payload type and, with simulcast, its rid
(RFC 8852). Retransmissions (RFC 4588) are packets of the source that they repair. Samples are
held until every kind of media and every layer that was agreed on has shown itself, for a moment at
most.

Layers are asked for key frames together, so that segments of all can begin with the same picture;
one that falls silent is no track until it is back (layer_watch.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from segmenter.media import MediaType, Sample, Track
from webrtc.arrival_recorder import ArrivalRecorder
from webrtc.backlog import LOOK_S, Backlog, Verdict, from_key_frame
from webrtc.dtls import NegotiatedKeys
from webrtc.errors import MediaPacketError
from webrtc.events import PublishedSamples, PublishedTracks, SignallingEvent
from webrtc.ice import Flow
from webrtc.incoming_stream import IncomingStatistics, IncomingStream
from webrtc.key_frame_grid import KeyFrameGrid
from webrtc.layer_names import LayerNames
from webrtc.layer_watch import LayerWatch
from webrtc.media_clock import MEDIA_RATE, PictureTimes
from webrtc.negotiation import REPAIRED_RID, RID
from webrtc.publication import ReceivePlan
from webrtc.publisher_rtcp import (
    parse_sender_reports,
    render_nack,
    render_picture_loss,
    render_receiver_report,
)
from webrtc.reference_time import read_round_trip_s, render_reference_time
from webrtc.rtcp import is_rtcp
from webrtc.rtp_packet import RtpPacket, parse_rtp
from webrtc.srtp import SrtpSender
from webrtc.srtp_receiver import SrtpReceiver

TRACKS_WAIT_S: Final = 2.0
"""How long the first kind of media waits for the other: a microphone may be muted for ever. Layers
as well: browsers begin with the smallest and find out within a second or two what gets through."""

_MAX_HELD_SAMPLES: Final = 600
_MAX_SOURCES: Final = 16
_REPORT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class PublisherStatistics:
    """One publisher since it connected."""

    sources: tuple[IncomingStatistics, ...]
    rejected: int
    """Packets that could not be read, or were forged."""


@dataclass(frozen=True, slots=True)
class PublishedCounts:
    """Packets of publishers."""

    received: int = 0
    missed: int = 0
    """They did not come the first time."""
    lost: int = 0
    """They never came."""

    def __add__(self, more: PublishedCounts) -> PublishedCounts:
        return PublishedCounts(
            self.received + more.received, self.missed + more.missed, self.lost + more.lost
        )


class Publisher:
    """Owns everything of one publisher behind its transport; the Role of its session.

    ``send`` sends a datagram by a flow, ``on_event`` takes what it publishes.
    """

    def __init__(
        self,
        session_id: str,
        stream: str,
        plans: Sequence[ReceivePlan],
        ssrc: int,
        send: Callable[[Flow, bytes], None],
        on_event: Callable[[SignallingEvent], None],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self.stream = stream
        self.grid = KeyFrameGrid()
        """Where key frames are asked for besides where one is needed."""
        self.rejected = 0
        """Packets that could not be read, or were forged."""
        self.rtt_s: float | None = None
        """Round trip, by its last answer to a reference time; None: it gives none."""
        self._session_id, self._ssrc = session_id, ssrc
        self._plans = tuple(plans)
        self._send, self._on_event = send, on_event
        self._flow: Flow | None = None
        self._receiver: SrtpReceiver | None = None
        self._sender: SrtpSender | None = None
        self._sources: dict[int, IncomingStream] = {}
        self._given_up = PublishedCounts()
        """Of sources in whose place there are others."""
        self._repairs: dict[int, IncomingStream] = {}
        self._arrivals = ArrivalRecorder(ssrc)
        self._tracks: dict[str, Track] = {}
        self._names, self._watch = LayerNames(plans), LayerWatch()
        self._pictures = PictureTimes()
        self._silent: set[str] = set()
        """Layers that are no tracks at present."""
        self._held: list[Sample] = []
        self._backlog = Backlog(look_s)
        self._waits_for_key: set[IncomingStream] = set()
        """What came of these so far is not published."""
        self._ready_by: float | None = None
        self._is_ready, self._began, self._next_report = False, 0.0, 0.0

    def connect(self, keys: NegotiatedKeys, flow: Flow, now: float) -> None:
        """Media may come."""
        self._receiver, self._sender = SrtpReceiver(keys.receive), SrtpSender(keys.send)
        self._flow, self._began = flow, now

    def move(self, flow: Flow) -> None:
        """The publisher has another address."""
        self._flow = flow

    def close(self) -> None:
        """Nothing more is taken or sent."""
        self._receiver = self._sender = None

    def receive_media(self, datagram: bytes, now: float) -> None:
        """SRTP or SRTCP; what is forged or broken is counted and dropped."""
        if self._receiver is None:
            return
        opened = self._receiver.unprotect((datagram,))
        self.rejected += not opened
        try:
            for packet in opened:
                if is_rtcp(packet):
                    self._take_reports(packet, now)
                else:
                    self._take_packet(parse_rtp(packet), now)
        except MediaPacketError:
            self.rejected += 1

    def ask_for_key_frame(self, track: str = "") -> None:
        """Somebody cannot go on without one; with no name, of every video track."""
        for source in self._sources.values():
            if not track or source.name == track:
                source.ask_for_key_frame()

    def _ask_at_the_grid(self, now: float) -> None:
        """All layers, if one of those that come lacks the key frame of a line."""
        keys = [
            source.last_key
            for source in self._sources.values()
            if source.plan.kind is MediaType.VIDEO
            and source.last_key is not None  # else it asks by itself
            and source.name not in self._silent
        ]
        if keys and self.grid.take_due(min(keys), now):
            self.ask_for_key_frame()

    def handle_timer(self, now: float) -> None:
        """Give up what does not come, and send the reports and requests that are due."""
        if self._sender is None:
            return
        self._ask_at_the_grid(now)
        for source in list(self._sources.values()):
            self._publish(source, source.handle_timer(now), now)
            self._request(source, now)
        self._watch.handle_timer(now)
        self._tell_silence()
        feedback = self._arrivals.take_feedback(next(iter(self._sources), 0), now)
        if feedback is not None:
            self._send_rtcp(feedback)
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            reports = [source.reception(now) for source in self._sources.values()]
            report = render_receiver_report(self._ssrc, reports)
            self._send_rtcp(report + render_reference_time(self._ssrc, now))

    def statistics(self) -> PublisherStatistics:
        """The present counts."""
        sources = tuple(source.statistics() for source in self._sources.values())
        return PublisherStatistics(sources, self.rejected)

    def counts(self) -> PublishedCounts:
        """Of its whole life."""
        return sum(map(_counts, self._sources.values()), self._given_up)

    def _take_packet(self, packet: RtpPacket, now: float) -> None:
        plan = self._plan_of(packet.payload_type)
        if plan is None:
            return
        number = packet.extensions.get(plan.transport_cc)
        if number is not None and len(number) == 2:
            self._arrivals.record(int.from_bytes(number, "big"), now)
        if packet.payload_type == plan.rtx_payload_type:
            self._take_repair(packet, plan, now)
            return
        source = self._sources.get(packet.ssrc) or self._new_source(packet, plan, now)
        if source is not None:
            samples = source.push(packet, now, now - self._began, self._sources.values())
            self._publish(source, samples, now)
            if samples and plan.kind is MediaType.VIDEO:
                self._ask_at_the_grid(now)
            self._request(source, now)

    def _take_repair(self, packet: RtpPacket, plan: ReceivePlan, now: float) -> None:
        source = self._repairs.get(packet.ssrc) or self._new_repair(packet, plan)
        if source is None or len(packet.payload) < 2:
            return  # nothing after the sequence number is a probe of bandwidth
        original = replace(
            packet,
            payload_type=plan.payload_type,
            sequence=int.from_bytes(packet.payload[:2], "big"),
            ssrc=source.ssrc,
            payload=packet.payload[2:],
        )
        self._publish(source, source.push_repaired(original, now), now)

    def _plan_of(self, payload_type: int) -> ReceivePlan | None:
        for plan in self._plans:
            if payload_type in (plan.payload_type, plan.rtx_payload_type):
                return plan
        return None

    def _new_source(
        self, packet: RtpPacket, plan: ReceivePlan, now: float
    ) -> IncomingStream | None:
        """The source that an unknown SSRC begins, or takes over; None while that is not known."""
        rid = _text(packet, plan, RID)
        if plan.rids and rid not in plan.rids:
            return None
        name = self._names.name(plan, rid)
        for old in [each for each in self._sources.values() if each.name == name]:
            self._give_up(old)  # the encoder was restarted
        if len(self._sources) >= _MAX_SOURCES:
            raise MediaPacketError("too many sources", value=packet.ssrc)
        pictures = self._pictures if len(plan.rids) > 1 else None
        source = IncomingStream(packet.ssrc, name, plan, now, pictures)
        self._sources[packet.ssrc] = source
        return source

    def _give_up(self, source: IncomingStream) -> None:
        """Another has taken its place; what repairs it has another SSRC from now on, too."""
        del self._sources[source.ssrc]
        self._given_up += _counts(source)
        self._repairs = {ssrc: one for ssrc, one in self._repairs.items() if one is not source}

    def _new_repair(self, packet: RtpPacket, plan: ReceivePlan) -> IncomingStream | None:
        rid = _text(packet, plan, REPAIRED_RID)
        if plan.rids and rid not in plan.rids:
            return None
        name = self._names.name(plan, rid)
        for source in self._sources.values():
            if source.name == name and len(self._repairs) < _MAX_SOURCES:
                self._repairs[packet.ssrc] = source
                return source
        return None

    def _take_reports(self, compound: bytes, now: float) -> None:
        rtt_s = read_round_trip_s(compound, self._ssrc, now)
        self.rtt_s = self.rtt_s if rtt_s is None else rtt_s
        reports, _ = parse_sender_reports(compound)
        for report in reports:
            source = self._sources.get(report.ssrc)
            if source is not None:
                source.take_report(report, now)
        sound = [s for s in self._sources.values() if s.plan.kind is MediaType.AUDIO]
        pictures = [s for s in self._sources.values() if s.plan.kind is MediaType.VIDEO]
        pictures.sort(
            key=lambda source: (source.name in self._silent, self._names.rank(source.name))
        )
        for source in pictures[:1]:
            source.clock.alight()
            if sound:
                source.clock.follow(sound[0].clock)
        for source in pictures[1:]:
            source.clock.ride(pictures[0].clock)

    def _publish(self, source: IncomingStream, samples: list[Sample], now: float) -> None:
        if samples and source.plan.kind is MediaType.VIDEO:
            self.grid.push(samples[-1].dts, any(each.is_sync for each in samples), now)
        if samples and source.plan.rids:
            samples = self._heard(source, samples, now)
        if source in self._waits_for_key and (samples := from_key_frame(samples)):
            self._waits_for_key.discard(source)
        if not samples:
            return
        track = source.track
        assert track is not None, "samples come after their track"
        is_new = self._tracks.get(source.name) != track
        self._tracks[source.name] = track
        if self._ready_by is None:
            self._ready_by = now + TRACKS_WAIT_S
        if self._is_ready:
            if is_new:
                self._tell_tracks()
            self._on_event(PublishedSamples(self._session_id, self.stream, tuple(samples)))
            return
        self._held += samples
        self._backlog.push(samples[-1].dts / MEDIA_RATE - (now - self._began), now)
        self._begin_if_ready(now)

    def _begin_if_ready(self, now: float) -> None:
        verdict = self._backlog.verdict(now)
        if verdict is Verdict.LOOKING:
            del self._held[:-_MAX_HELD_SAMPLES]
            return
        if verdict is Verdict.OLD:
            self._drop_backlog(now)
            return
        has_all = len(self._tracks) == self._names.count
        late = self._ready_by is not None and now >= self._ready_by
        if has_all or late or len(self._held) > _MAX_HELD_SAMPLES:
            self._begin()

    def _drop_backlog(self, now: float) -> None:
        """What came so far was made before; begin with what comes, pictures with a key frame."""
        self._backlog = Backlog(0.0)
        self._held, self._tracks, self._ready_by = [], {}, now + TRACKS_WAIT_S
        pictures = [s for s in self._sources.values() if s.plan.kind is MediaType.VIDEO]
        self._waits_for_key.update(pictures)
        self.ask_for_key_frame()

    def _begin(self) -> None:
        self._is_ready = True
        self._find_the_best()
        self._tell_tracks()
        held, self._held = self._held, []
        self._on_event(PublishedSamples(self._session_id, self.stream, tuple(held)))

    def _tell_tracks(self) -> None:
        """Video first, the best layer before the others."""
        names = sorted(self._tracks.keys() - self._silent, key=self._names.rank)
        tracks = tuple(self._tracks[name] for name in names)
        self._on_event(PublishedTracks(self._session_id, self.stream, tracks))

    def _heard(self, source: IncomingStream, samples: list[Sample], now: float) -> list[Sample]:
        """What of a layer's samples goes on; one that was silent needs a key frame."""
        heard = self._watch.push(source.name, samples, now)
        if not heard:
            source.ask_for_key_frame()
        self._tell_silence()
        return heard

    def _tell_silence(self) -> None:
        """A layer has stopped, or is back."""
        if self._watch.silent != self._silent:
            self._silent = set(self._watch.silent)
            if self._is_ready:
                self._tell_tracks()

    def _find_the_best(self) -> None:
        """Layers are called by their sizes, which are known only now."""
        names = self._names.find_the_best(self._tracks)
        if not names:
            return
        for source in self._sources.values():
            source.name = names.get(source.name, source.name)
        self._tracks = {s.name: s.track for s in self._sources.values() if s.track is not None}
        self._held = [replace(s, track=names.get(s.track, s.track)) for s in self._held]
        self._watch.rename(names)
        self._silent = set(self._watch.silent)

    def _request(self, source: IncomingStream, now: float) -> None:
        missing = source.take_nacks(now)
        if missing:
            self._send_rtcp(render_nack(self._ssrc, source.ssrc, missing))
        if source.takes_request(now):
            self.grid.note_request(now)
            self._send_rtcp(render_picture_loss(self._ssrc, source.ssrc))

    def _send_rtcp(self, packet: bytes) -> None:
        if self._sender is not None and self._flow is not None:
            self._send(self._flow, self._sender.protect_rtcp(packet))


def _counts(source: IncomingStream) -> PublishedCounts:
    seen = source.statistics()
    return PublishedCounts(seen.received, seen.recovered + seen.lost, seen.lost)


def _text(packet: RtpPacket, plan: ReceivePlan, uri: str) -> str:
    value = packet.extensions.get(plan.extensions.get(uri, 0), b"")
    return value.decode("ascii", "replace")
