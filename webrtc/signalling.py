"""Offer in, answer out; trickle, restart, close: the one door to all peers. Start reading here.

    signalling.announce("live/foo", renditions)          what there is to watch; again on a change
    answer = signalling.subscribe("live/foo", offer, client)      WHEP POST
    offered = signalling.offer("live/foo", client)                an offer of ours, instead
    answer = signalling.accept(offered, answer_sdp, client)       … and the viewer's answer
    answer = signalling.publish("live/foo", offer, client)        WHIP POST
    result = signalling.patch(answer.session_id, if_match, body)  WHEP and WHIP PATCH
    signalling.close(answer.session_id)                           DELETE
    signalling.handle_timer(now)                                  every `TIMER_S`

Streams are opaque strings here. Errors are of `webrtc/errors.py`, each with its HTTP status. What
happens without being asked (connected, closed, a key frame wanted) goes to ``on_event``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence

from webrtc.answer import CHANNEL, REJECTED, AnsweredMedia
from webrtc.audience import Audience
from webrtc.counter_offer import CounterOffer, plan_counter_offer
from webrtc.dtls import Certificate
from webrtc.errors import NotLive, PreconditionFailed, PreconditionMissing
from webrtc.events import SessionClosed, SessionConnected, SignallingEvent, TextReceived
from webrtc.fanout import Fanout
from webrtc.fanout_events import AddressChanged, Bye, Event, PictureLost, ViewerSummary
from webrtc.fragment import parse_fragment
from webrtc.ice import Flow, RandomBytes
from webrtc.ice_lite import IceAgent
from webrtc.local_side import LocalSide
from webrtc.message_channel import ChannelOffer
from webrtc.negotiation import Fit
from webrtc.offer import Offer, parse_offer
from webrtc.peer_port import PeerPort
from webrtc.publication import answer_publication
from webrtc.publisher import Publisher
from webrtc.publishers import Publishers
from webrtc.reception import Reception
from webrtc.rendition import Rendition
from webrtc.session import Role, Session, State
from webrtc.session_table import SessionLimits, SessionTable
from webrtc.signalling_results import Answer, PatchResult, SignallingStatistics
from webrtc.subscriber import Subscriber
from webrtc.subscription import answer_subscription, wanted_kinds

TIMER_S = 0.05
"""How often `handle_timer` is due: the pace of checks, and how late a lost picture is noticed."""


class Signalling:
    """Owns all peers. Its methods are called on the event loop that it was made on.

    ``client`` is who asks: the address of the HTTP client, for the bound per address. ``now`` is
    the loop's clock.
    """

    def __init__(
        self,
        port: PeerPort,
        fanout: Fanout,
        on_event: Callable[[SignallingEvent], None],
        *,
        now: Callable[[], float],
        limits: SessionLimits | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._port = port
        self._fanout = fanout
        self._on_event = on_event
        self._now = now
        self._random_bytes = random_bytes
        self._local = LocalSide(port, random_bytes, now)
        self._audience = Audience(on_event)
        self._reception = Reception()
        self._publishers = Publishers()
        self._sessions = SessionTable(limits or SessionLimits(), port.table, self._changed)

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """All sessions."""
        return iter(self._sessions)

    def announce(self, stream: str, renditions: Sequence[Rendition]) -> None:
        """What the stream offers from now on; subscribers go on with what is still there."""
        self._audience.announce(stream, renditions)

    def withdraw(self, stream: str, reason: str = "the stream has ended") -> None:
        """Nothing is to be watched there any more; its subscribers' sessions are closed."""
        for subscriber in self._audience.withdraw(stream):
            self._sessions.close_role(subscriber, reason, self._now())

    def subscribe(
        self, stream: str, offer_sdp: str, client: str, *, worst: Fit = Fit.TOLERATED
    ) -> Answer:
        """Answer a viewer's offer.

        ``worst`` INCLUDED refuses (NoCommonCodec) a viewer whose profiles do not include one of
        the stream's, for a path that can encode what such viewers need. Raises NotLive,
        MalformedSdp, UnacceptableOffer, NoCommonCodec, TooManySessions.
        """
        self._sessions.check_room(client)
        renditions = self._live_renditions(stream)
        offer = parse_offer(offer_sdp)
        tracks = [each.track for each in renditions]
        media, plans = answer_subscription(offer, tracks, self._random_bytes, worst=worst)
        agent, cname = self._local.new_agent(offer), self._local.new_cname()
        role = Subscriber(
            self._fanout, stream, plans, renditions, agent, self._port.media_flow, cname,
            wanted_kinds(offer),
        )  # fmt: skip
        session_id = self._local.new_session_id()
        answer = self._open(session_id, stream, client, offer, media, agent, role, cname)
        self._audience.add(role)
        return answer

    def offer(self, stream: str, client: str) -> CounterOffer:
        """An offer of ours to a viewer; nothing is kept of it here.

        Raises NotLive, NoCommonCodec, TooManySessions.
        """
        self._sessions.check_room(client)
        tracks = [each.track for each in self._live_renditions(stream)]
        media, plans = plan_counter_offer(tracks, self._random_bytes)
        local = self._local
        ice, certificate, cname = local.new_credentials(), local.certificate(), local.new_cname()
        sdp = local.render(ice, certificate, "actpass", media, cname)
        return CounterOffer(
            local.new_session_id(),
            stream,
            sdp,
            local.new_etag(),
            ice,
            certificate,
            cname,
            plans,
        )

    def accept(self, offered: CounterOffer, answer_sdp: str, client: str) -> Answer:
        """Take a viewer's answer to an offer of ours.

        Raises NotLive, MalformedSdp, UnacceptableOffer, NoCommonCodec, TooManySessions.
        """
        self._sessions.check_room(client)
        renditions = self._live_renditions(offered.stream)
        answer = parse_offer(answer_sdp)
        tracks = [each.track for each in renditions]
        media, plans = answer_subscription(answer, tracks, self._random_bytes, worst=Fit.TOLERATED)
        agent = self._local.new_agent(answer, offered.ice)
        role = Subscriber(
            self._fanout,
            offered.stream,
            offered.keep_sources(plans),
            renditions,
            agent,
            self._port.media_flow,
            offered.cname,
            wanted_kinds(answer),
        )
        session = self._admit(
            offered.session_id, offered.stream, client, answer, media, agent, role,
            offered.certificate, offered.etag,
        )  # fmt: skip
        self._audience.add(role)
        return Answer(session.session_id, "", session.etag)

    def publish(self, stream: str, offer_sdp: str, client: str, *, max_layers: int = 1) -> Answer:
        """Answer a publisher's offer; of simulcast so many layers are taken, the best first.

        Whether the stream is free is the caller's to know. What is published comes as events
        once it is connected. Raises MalformedSdp, UnacceptableOffer, NoCommonCodec,
        TooManySessions.
        """
        self._sessions.check_room(client)
        offer = parse_offer(offer_sdp)
        media, plans = answer_publication(offer, max_layers=max_layers)
        session_id = self._local.new_session_id()
        ssrc = int.from_bytes(self._random_bytes(4), "big") or 1
        role = Publisher(session_id, stream, plans, ssrc, self._port.send, self._on_event)
        agent = self._local.new_agent(offer)
        return self._open(session_id, stream, client, offer, media, agent, role, "")

    def want_key_frame(self, session_id: str, track: str = "") -> None:
        """Ask a publisher for a key frame, of one or every video track. Raises SessionNotFound."""
        role = self._sessions.find(session_id).role
        if isinstance(role, Publisher):
            role.ask_for_key_frame(track)

    def set_segment_grid(self, session_id: str, segment_duration_s: float) -> None:
        """Ask a publisher for key frames so that segments can begin where they should. Raises
        SessionNotFound."""
        role = self._sessions.find(session_id).role
        if isinstance(role, Publisher):
            role.grid.set_interval(segment_duration_s)

    def set_media_offset(self, session_id: str, ticks: int) -> None:
        """By how much media time is ahead of the times that a publisher's samples have here (ticks
        of 90 kHz). Raises SessionNotFound."""
        role = self._sessions.find(session_id).role
        if isinstance(role, Publisher):
            role.grid.set_offset(ticks)

    def patch(self, session_id: str, if_match: str | None, body: str) -> PatchResult:
        """Trickled candidates or an ICE restart (RFC 9725 4.3).

        Raises SessionNotFound, PreconditionMissing, PreconditionFailed, MalformedSdp; the session
        goes on as it was.
        """
        session = self._sessions.find(session_id)
        if if_match is None:
            raise PreconditionMissing("a PATCH needs If-Match: the ETag of its ICE session, or *")
        tags = [tag.strip() for tag in if_match.split(",")]
        if "*" not in tags and session.etag not in tags:
            raise PreconditionFailed("this ICE session has been restarted")
        fragment = parse_fragment(body)
        is_restart = fragment.ice is not None and fragment.ice != session.agent.remote
        if fragment.ice is not None and is_restart:
            session.restart(fragment.ice, self._local.new_etag())
            self._sessions.update_ufrags(session)
        session.agent.add_candidates(fragment.candidates, self._port.by_version)
        if not is_restart:
            return PatchResult(204)
        return PatchResult(200, self._local.render_restart(session), session.etag)

    def tell(self, stream: str, text: str) -> None:
        """Send a text to all subscribers that have a data channel."""
        for session in self._sessions:
            if session.stream == stream and isinstance(session.role, Subscriber):
                session.tell(text)

    def close(self, session_id: str, reason: str = "closed by request") -> None:
        """End a session. Raises SessionNotFound, also the second time."""
        self._sessions.find(session_id).close(reason, self._now())

    def session(self, session_id: str) -> Session:
        """One session. Raises SessionNotFound."""
        return self._sessions.find(session_id)

    def handle_timer(self, now: float) -> None:
        """Send what is due, end whose time is over, and judge what viewers reported."""
        for event in self._fanout.poll():
            self._take(event, now)
        self._sessions.handle_timer(now)
        self._publishers.handle_timer(now)
        self._audience.handle_timer(now)
        for subscriber in self._audience.take_lacking(now):
            self._sessions.close_role(subscriber, "the path has other codecs now", now)

    def statistics(self) -> SignallingStatistics:
        """The present state."""
        publishers, table = len(self._publishers), self._port.table
        sessions, half_open = len(self._sessions), self._sessions.half_open
        viewers = sessions - half_open - publishers
        return SignallingStatistics(
            sessions,
            half_open,
            publishers,
            viewers,
            len(table),
            table.dropped,
            self._reception.statistics(self._audience.summaries()),
            self._publishers.counts(),
        )

    async def wait_closed(self) -> None:
        """Close all sessions and wait until nothing of them runs."""
        await self._sessions.wait_closed(self._now())

    def _take(self, event: Event, now: float) -> None:
        subscriber = self._audience.find_viewer(event.viewer)
        if subscriber is None:
            return
        match event:
            case ViewerSummary():
                self._reception.add(subscriber.summary, event)
                subscriber.judge(event, now)
            case PictureLost():
                self._reception.pictures_lost += 1
                self._audience.ask_for_key_frame(subscriber, event.kind)
            case AddressChanged(_, (host, port), socket):
                self._sessions.follow(subscriber, Flow(socket, host, port))
            case Bye():
                self._sessions.close_role(subscriber, "the viewer has left", now)

    def _changed(self, session: Session, now: float) -> None:
        role = session.role
        if session.state is State.CONNECTED:
            if isinstance(role, Subscriber):
                self._audience.connect(role)
            elif isinstance(role, Publisher):
                self._publishers.connect(session.session_id, role)
            self._on_event(SessionConnected(session.session_id, session.stream))
        elif session.state is State.CLOSED:
            if isinstance(role, Subscriber):
                self._audience.remove(role)
            self._publishers.remove(session.session_id)
            self._on_event(SessionClosed(session.session_id, session.stream, session.reason))

    def _hear(self, session: Session, text: str) -> None:
        self._on_event(TextReceived(session.session_id, session.stream, text))

    def _live_renditions(self, stream: str) -> Sequence[Rendition]:
        renditions = self._audience.renditions(stream)
        if not renditions:
            raise NotLive("nobody publishes this stream now")
        return renditions

    def _open(
        self,
        session_id: str,
        stream: str,
        client: str,
        offer: Offer,
        media: Sequence[AnsweredMedia],
        agent: IceAgent,
        role: Role,
        cname: str,
    ) -> Answer:
        certificate, etag = self._local.certificate(), self._local.new_etag()
        session = self._admit(
            session_id, stream, client, offer, media, agent, role, certificate, etag
        )
        setup = "active" if offer.setup == "passive" else "passive"
        sdp = self._local.render(agent.local, certificate, setup, media, cname)
        return Answer(session.session_id, sdp, session.etag)

    def _admit(
        self,
        session_id: str,
        stream: str,
        client: str,
        offer: Offer,
        media: Sequence[AnsweredMedia],
        agent: IceAgent,
        role: Role,
        certificate: Certificate,
        etag: str,
    ) -> Session:
        session = Session(
            session_id,
            stream,
            offer,
            next(each.offered for each in media if each.direction != REJECTED),
            agent,
            role,
            certificate=certificate,
            send=self._port.send,
            on_change=self._sessions.changed,
            now=self._now(),
            channel=_channel_offer(media),
            on_text=self._hear,
        )
        session.etag = etag
        self._sessions.add(session, client)
        return session


def _channel_offer(media: Sequence[AnsweredMedia]) -> ChannelOffer | None:
    for each in media:
        if each.direction == CHANNEL:
            return ChannelOffer(each.offered.sctp_port, each.offered.most_message_bytes)
    return None
