"""All WebRTC peers: samples to packets, requests to sessions, and word of both to the main process.

    link ─PathTracks, PathSample→ ViewedPath ─packets→ Fanout ─SRTP→ viewers
    link ─SignalRequest→ Signalling ─SignalAnswer→ link

A path is watched as long as it has sessions, and `LINGER_S` more.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from streaming.config import WebrtcConfig
from streaming.cpu_priority import Priority
from streaming.rtc.counter_offers import CounterOffers
from streaming.rtc.ice_server_links import ice_server_links
from streaming.rtc.messages import (
    KeyFrameAsked,
    PathEnded,
    PathMessage,
    PathSample,
    PathTracks,
    PublishAllowed,
    PublishClosed,
    PublishPlaced,
    PublishRefused,
    RtcReport,
    SaidRefused,
    Unwatch,
    Watch,
)
from streaming.rtc.publishing import Publishing, opened_answer, opened_headers
from streaming.rtc.session_requests import SessionRequests
from streaming.rtc.sessions import OpenSession, OpenSessions
from streaming.rtc.signal_messages import SessionEnded, SignalAnswer, SignalRequest
from streaming.rtc.talk import Talk
from streaming.rtc.view_plan import VIDEO_NAME
from streaming.rtc.viewed_path import ViewedPath
from webrtc.errors import NoCommonCodec, WebRtcError
from webrtc.events import (
    KeyFrameWanted,
    PublishedSamples,
    PublishedTracks,
    SessionClosed,
    SessionConnected,
    SignallingEvent,
    TextReceived,
)
from webrtc.fanout import Fanout
from webrtc.peer_port import PeerPort
from webrtc.session_table import SessionLimits
from webrtc.signalling import Signalling
from webrtc.signalling_results import Answer

logger = logging.getLogger(__name__)

LINGER_S = 10.0
"""How long a path stays ready after its last viewer, who often comes back at once."""
TRACKS_S = 5.0
"""How long an offer waits for a path that had just been given up."""
MEASURE_S = 1.0
SILENT_S = 2.0
"""A publisher that sends nothing for so long is said to be inactive; encoders that are made for
WebRTC take a second to start."""


@dataclass(slots=True)
class _Waiting:
    """Offers for a path whose tracks have been asked for."""

    due: float
    """When they are told that nothing is live there."""
    requests: list[SignalRequest] = field(default_factory=list)


class RtcServer:
    """Owns the peers and the watched paths; its process feeds it.

    ``now`` is the loop's clock, ``utc`` the origin's.
    """

    def __init__(
        self,
        config: WebrtcConfig,
        fanout: Fanout,
        port: PeerPort,
        send: Callable[[Any], None],
        *,
        now: Callable[[], float],
        utc: Callable[[], float],
        send_priority: Priority = "usual",
    ) -> None:
        self._ice_servers = config.ice_servers
        self._fanout = fanout
        self._send = send
        self._now = now
        self._utc = utc
        self._send_priority = send_priority
        limits = SessionLimits(sessions=config.max_sessions)
        self._signalling = Signalling(port, fanout, self._take_event, now=now, limits=limits)
        self._sessions = OpenSessions(send)
        self._requests = SessionRequests(
            self._signalling, self._sessions, self._ahead_s, self._is_active
        )
        self._publishing = Publishing(self._signalling, send, config.max_layers)
        self._offers = CounterOffers(self._signalling, now)
        self._talk = Talk(self._signalling, send)
        self._paths: dict[str, ViewedPath] = {}
        self._idle_since: dict[str, float] = {}
        """Paths that nobody watches, and since when."""
        self._waiting: dict[str, _Waiting] = {}
        """Offers for paths whose tracks have been asked for."""
        self._counts: Counter[str] = Counter()
        self._measured_at = 0.0

    # -- the link ----------------------------------------------------------------------------

    def receive(self, message: Any) -> None:
        """One message of the main process."""
        match message:
            case PathSample():
                self._write(message)
            case PathTracks():
                self._set_tracks(message)
            case PathEnded():
                self._end(message)
            case SignalRequest():
                self._answer(message)
            case PathMessage():
                self._talk.gather(message)
            case SaidRefused():
                self._talk.refuse(message)
            case PublishAllowed():
                self._counts["opened"] += 1
                self._publishing.allow(message, self._links(message.session), self._now())
            case PublishPlaced():
                self._publishing.place(message)
            case PublishRefused():
                self._counts["failed"] += 1
                self._publishing.refuse(message)
            case PublishClosed():
                self._publishing.close(message)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due until somebody asks for something: there is no session, no path
        that is watched or was lately, and no offer that waits for one."""
        return not (len(self._signalling) or self._paths or self._waiting)

    def handle_timer(self, now: float) -> None:
        """Called every `webrtc.signalling.TIMER_S`; now and then while it is idle."""
        self._signalling.handle_timer(now)
        self._talk.handle_timer(now)
        self._publishing.handle_timer(now)
        self._offers.handle_timer(now)
        for name, since in list(self._idle_since.items()):
            if now - since > LINGER_S and not self._offers.has_offered(name):
                self._unwatch(name)
        for name in [name for name, one in self._waiting.items() if now >= one.due]:
            self._give_up(name)
        if now - self._measured_at >= MEASURE_S:
            self._measured_at = now
            self._measure()

    def report(self) -> RtcReport:
        """The figures of this second."""
        sent, signalling = self._fanout.statistics(), self._signalling.statistics()
        seen, published = signalling.reception, signalling.published
        return RtcReport(
            viewers=self._sessions.viewers(),
            publishers=len(self._publishing),
            pictures=self._publishing.pictures,
            layers_stopped=self._publishing.layers_stopped,
            packets_sent=sent.packets,
            bytes_sent=sent.bytes,
            retransmitted=sent.resent,
            pictures_skipped=sent.skipped,
            sound_lateness=sent.sound_lateness,
            picture_lateness=sent.picture_lateness,
            send_threads=sent.threads,
            send_priority=self._send_priority,
            key_frame_requests=self._counts["key_frame_requests"],
            sessions_opened=self._counts["opened"],
            sessions_failed=self._counts["failed"],
            nacks=seen.nacks,
            pictures_lost=seen.pictures_lost,
            rtt_s=seen.rtt_s,
            worst_rtt_s=seen.worst_rtt_s,
            loss=seen.loss,
            worst_loss=seen.worst_loss,
            packets_received=published.received,
            packets_missed=published.missed,
            packets_lost=published.lost,
        )

    # -- media -------------------------------------------------------------------------------

    def _write(self, message: PathSample) -> None:
        path = self._paths.get(message.path)
        if path is not None:
            path.write(message.sample.to_sample())
            path.written_at = self._now()

    def _ahead_s(self, name: str) -> float:
        path = self._paths.get(name)
        return path.ahead_s if path is not None else 0.0

    def _is_active(self, name: str) -> bool:
        path = self._paths.get(name)
        return path is not None and self._now() - path.written_at < SILENT_S

    def _measure(self) -> None:
        """Bitrates by which renditions are chosen, and what was chosen."""
        for path in self._paths.values():
            if path.measure():
                self._signalling.announce(path.name, path.renditions)
        self._requests.tell_news()

    def _set_tracks(self, message: PathTracks) -> None:
        name = message.path
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = ViewedPath(name, self._fanout)
            path.written_at = self._now()
            self._idle_since[name] = self._now()
        path.set_tracks([track.to_track() for track in message.tracks])
        self._signalling.announce(name, path.renditions)
        waiting = self._waiting.pop(name, None)
        for request in waiting.requests if waiting is not None else ():
            self._guarded(request, self._subscribe)

    def _end(self, message: PathEnded) -> None:
        self._signalling.withdraw(message.path, message.reason)
        self._drop(message.path)

    def _unwatch(self, name: str) -> None:
        """Nobody has watched for a while."""
        self._send(Unwatch(name))
        self._signalling.withdraw(name)
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._idle_since.pop(name, None)
        path = self._paths.pop(name, None)
        if path is not None:
            path.close()

    # -- requests ----------------------------------------------------------------------------

    def _answer(self, request: SignalRequest) -> None:
        if request.verb == "publish":
            self._guarded(request, self._publish)
        elif request.verb == "answer":
            self._guarded(request, self._accept)
        elif request.verb == "figures":
            self._guarded(request, self._requests.figures)
        elif request.verb == "delete" and self._offers.drop(request):
            self._send(SignalAnswer(request.id, 200))
        elif request.verb not in ("view", "offer"):
            self._guarded(request, self._requests.answer)
        elif request.path in self._paths:
            self._guarded(request, self._subscribe)
        else:
            self._wait_for_tracks(request)

    def _wait_for_tracks(self, request: SignalRequest) -> None:
        """The path was given up while the request was on its way."""
        waiting = self._waiting.setdefault(request.path, _Waiting(self._now() + TRACKS_S))
        waiting.requests.append(request)
        self._send(Watch(request.path))

    def _give_up(self, path: str) -> None:
        for request in self._waiting.pop(path).requests:
            text = f"{path} is not live"
            self._send(SignalAnswer(request.id, 409, text, {"Retry-After": "2"}))

    def _guarded(
        self, request: SignalRequest, action: Callable[[SignalRequest], SignalAnswer | None]
    ) -> None:
        """What a request cannot have is told to it."""
        try:
            answer = action(request)
        except WebRtcError as error:
            self._counts["failed"] += request.verb in ("view", "publish")
            headers = {}
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
            answer = SignalAnswer(request.id, error.http_status, str(error), headers)
        except Exception:  # a mistake of ours; raised further it would end everybody's sessions
            logger.exception("%s: a request to %s failed", request.path, request.verb)
            self._counts["failed"] += request.verb in ("view", "publish")
            answer = SignalAnswer(request.id, 500, "something went wrong here")
        if answer is not None:
            self._send(answer)

    def _subscribe(self, request: SignalRequest) -> SignalAnswer:
        if self._has_no_share(request):
            return self._no_share(request)
        if request.verb == "offer":
            return self._offer(request, 200)
        try:
            answer = self._signalling.subscribe(request.path, request.body, request.remote)
        except NoCommonCodec:
            return self._offer(request, 406)
        return self._opened(request, request, answer)

    def _offer(self, request: SignalRequest, status: int) -> SignalAnswer:
        """An offer of ours: where it was asked for, or in the place of a refusal."""
        offered = self._offers.make(request)
        headers = opened_headers(offered.etag, self._links(offered.session_id))
        return SignalAnswer(request.id, status, offered.sdp, headers, offered.session_id)

    def _accept(self, request: SignalRequest) -> SignalAnswer:
        """A viewer's answer to an offer of ours."""
        asked, answer = self._offers.accept(request)
        if self._has_no_share(asked):
            self._signalling.close(answer.session_id, "its token is in use")
            return self._no_share(replace(request, share=asked.share))
        return self._opened(request, asked, answer)

    def _opened(self, request: SignalRequest, asked: SignalRequest, answer: Answer) -> SignalAnswer:
        share = asked.share.name if asked.share else ""
        self._sessions.add(answer.session_id, OpenSession(asked.path, asked.channel, share=share))
        self._idle_since.pop(asked.path, None)
        self._counts["opened"] += 1
        return opened_answer(request, answer, self._links(answer.session_id))

    def _has_no_share(self, request: SignalRequest) -> bool:
        share = request.share
        return share is not None and self._sessions.count_share(share.name) >= share.most

    def _no_share(self, request: SignalRequest) -> SignalAnswer:
        self._counts["failed"] += 1
        most = request.share.most if request.share else 0
        return SignalAnswer(request.id, 403, f"the token is in use by {most} already")

    def _publish(self, request: SignalRequest) -> None:
        session_id = self._publishing.offer(request)
        session = OpenSession(request.path, request.channel, is_publisher=True)
        self._sessions.add(session_id, session)

    def _links(self, session_id: str) -> str:
        return ice_server_links(self._ice_servers, session_id[:8], self._utc())

    # -- sessions ----------------------------------------------------------------------------

    def _take_event(self, event: SignallingEvent) -> None:
        """What signalling tells by itself."""
        match event:
            case SessionConnected():
                who = self._who(event.session_id)
                logger.info("%s: %s %s connected", event.stream, who, event.session_id[:8])
                self._sessions.tell(event.session_id, "connected")
            case SessionClosed():
                self._forget_session(event)
            case KeyFrameWanted():
                self._counts["key_frame_requests"] += 1
                if event.track == VIDEO_NAME:
                    self._send(KeyFrameAsked(event.stream))
                else:
                    self._publishing.want_key_frame(event.stream, event.track)
            case PublishedTracks():
                self._publishing.set_tracks(event)
            case PublishedSamples():
                self._publishing.write(event)
            case TextReceived():
                self._talk.hear(event, self._now())

    def _who(self, session_id: str) -> str:
        session = self._sessions.find(session_id)
        return "publisher" if session is not None and session.is_publisher else "viewer"

    def _forget_session(self, event: SessionClosed) -> None:
        who, short = self._who(event.session_id), event.session_id[:8]
        logger.info("%s: %s %s left (%s)", event.stream, who, short, event.reason)
        self._sessions.tell(event.session_id, "closed", event.reason)
        self._publishing.forget(event.session_id, event.reason)
        self._send(SessionEnded(event.session_id, event.reason))
        session = self._sessions.remove(event.session_id)
        if session is None or session.path not in self._paths:
            return
        if not self._sessions.count(session.path):
            self._idle_since[session.path] = self._now()
