"""All WebRTC peers: samples to packets, requests to sessions, and word of both to the main process.

    link ─PathTracks, PathSample→ ViewedPath ─packets→ Fanout ─SRTP→ viewers
    link ─SignalRequest→ Signalling ─SignalAnswer→ link

A path is watched as long as it has sessions, and `LINGER_S` more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from segmenter.media import Sample
from streaming.rtc.ice_server_links import ice_server_links
from streaming.rtc.layers import Layer, LayerChoice, Layers
from streaming.rtc.messages import (
    PathEnded,
    PathSample,
    PathTracks,
    RtcReport,
    RtcSetup,
    Unwatch,
    Watch,
)
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.rtc.viewed_path import ViewedPath
from webrtc.errors import SessionNotFound, WebRtcError
from webrtc.events import KeyFrameWanted, SessionClosed, SessionConnected, SignallingEvent
from webrtc.fanout import Fanout
from webrtc.signalling import Signalling
from webrtc.subscriber import Subscriber

logger = logging.getLogger(__name__)

LINGER_S = 10.0
"""How long a path stays ready after its last viewer, who often comes back at once."""
TRACKS_S = 5.0
"""How long an offer waits for a path that had just been given up."""
MEASURE_S = 1.0


class RtcServer:
    """Owns the watched paths and what their viewers' sessions count; its process feeds it."""

    def __init__(
        self,
        setup: RtcSetup,
        fanout: Fanout,
        send: Callable[[Any], None],
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._setup = setup
        self._fanout = fanout
        self._send = send
        self._utc = utc
        self._signalling: Signalling | None = None
        self._paths: dict[str, ViewedPath] = {}
        self._sessions: dict[str, str] = {}
        """Session to path."""
        self._idle_since: dict[str, float] = {}
        """Paths that nobody watches, and since when."""
        self._waiting: dict[str, list[SignalRequest]] = {}
        """Offers for paths whose tracks have been asked for."""
        self._counts: Counter[str] = Counter()
        self._measured_at = 0.0

    def serve(self, signalling: Signalling) -> None:
        """Everything is there."""
        self._signalling = signalling

    @property
    def signalling(self) -> Signalling:
        """Set by `serve`."""
        assert self._signalling is not None
        return self._signalling

    # -- the link ----------------------------------------------------------------------------

    def receive(self, message: Any) -> None:
        """One message of the main process."""
        now = asyncio.get_running_loop().time()
        match message:
            case PathSample():
                self._write(message, now)
            case PathTracks():
                self._set_tracks(message, now)
            case PathEnded():
                self._end(message)
            case SignalRequest():
                self._answer(message)

    def handle_timer(self, now: float) -> None:
        """Called every `webrtc.signalling.TIMER_S`."""
        self.signalling.handle_timer(now)
        for name, since in list(self._idle_since.items()):
            if now - since > LINGER_S:
                self._unwatch(name)
        if now - self._measured_at >= MEASURE_S:
            self._measured_at = now
            for path in self._paths.values():
                if path.measure(now):
                    self.signalling.announce(path.name, path.renditions)

    def report(self) -> RtcReport:
        """The figures of this second."""
        sent = self._fanout.statistics()
        return RtcReport(
            viewers=dict(Counter(self._sessions.values())),
            packets_sent=sent.packets,
            bytes_sent=sent.bytes,
            retransmitted=sent.resent,
            pictures_skipped=sent.skipped,
            late_s=sent.late_s,
            key_frame_requests=self._counts["key_frame_requests"],
            sessions_opened=self._counts["opened"],
            sessions_failed=self._counts["failed"],
        )

    # -- media -------------------------------------------------------------------------------

    def _write(self, message: PathSample, now: float) -> None:
        path = self._paths.get(message.path)
        if path is not None:
            sample = Sample(
                message.track,
                message.dts,
                message.pts,
                message.data,
                message.is_sync,
                message.duration,
                False,
                message.captured_utc,
            )
            path.write(sample, now)

    def _set_tracks(self, message: PathTracks, now: float) -> None:
        name = message.path
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = ViewedPath(name, self._fanout)
            self._idle_since[name] = now
        path.set_tracks([track.to_track() for track in message.tracks], now)
        self.signalling.announce(name, path.renditions)
        for request in self._waiting.pop(name, ()):
            self._view(request)

    def _end(self, message: PathEnded) -> None:
        self.signalling.withdraw(message.path, message.reason)
        self._drop(message.path)

    def _unwatch(self, name: str) -> None:
        """Nobody has watched for a while."""
        self._send(Unwatch(name))
        self.signalling.withdraw(name)
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._idle_since.pop(name, None)
        path = self._paths.pop(name, None)
        if path is not None:
            path.close()

    # -- requests ----------------------------------------------------------------------------

    def _answer(self, request: SignalRequest) -> None:
        match request.verb:
            case "view" if request.path not in self._paths:
                self._wait_for_tracks(request)
            case "view":
                self._view(request)
            case "patch":
                self._guarded(request, self._patch)
            case "delete":
                self._guarded(request, self._delete)
            case "layers":
                self._guarded(request, self._layers)
            case "choose":
                self._guarded(request, self._choose)
            case _:
                self._send(
                    SignalAnswer(request.id, 404, "publishing by WebRTC is not possible yet")
                )

    def _wait_for_tracks(self, request: SignalRequest) -> None:
        """The path was given up while the request was on its way."""
        self._waiting.setdefault(request.path, []).append(request)
        self._send(Watch(request.path))
        asyncio.get_running_loop().call_later(TRACKS_S, self._give_up, request)

    def _give_up(self, request: SignalRequest) -> None:
        waiting = self._waiting.get(request.path, [])
        if request in waiting:
            waiting.remove(request)
            text = f"{request.path} is not live"
            self._send(SignalAnswer(request.id, 409, text, {"Retry-After": "2"}))

    def _view(self, request: SignalRequest) -> None:
        self._guarded(request, self._subscribe)

    def _guarded(
        self, request: SignalRequest, action: Callable[[SignalRequest], SignalAnswer]
    ) -> None:
        """What a request cannot have is told to it."""
        try:
            answer = action(request)
        except WebRtcError as error:
            self._counts["failed"] += request.verb == "view"
            headers = {}
            if error.retry_after_s is not None:
                headers["Retry-After"] = str(error.retry_after_s)
            answer = SignalAnswer(request.id, error.http_status, str(error), headers)
        self._send(answer)

    def _subscribe(self, request: SignalRequest) -> SignalAnswer:
        answer = self.signalling.subscribe(request.path, request.body, request.remote)
        self._sessions[answer.session_id] = request.path
        self._idle_since.pop(request.path, None)
        self._counts["opened"] += 1
        headers = {"ETag": answer.etag}
        links = ice_server_links(self._setup.ice_servers, answer.session_id[:8], self._utc())
        if links:
            headers["Link"] = links
        return SignalAnswer(request.id, 201, answer.sdp, headers, answer.session_id)

    def _patch(self, request: SignalRequest) -> SignalAnswer:
        self._check_session(request)
        result = self.signalling.patch(request.session, request.if_match, request.body)
        headers = {"ETag": result.etag} if result.etag else {}
        return SignalAnswer(request.id, result.http_status, result.fragment, headers)

    def _delete(self, request: SignalRequest) -> SignalAnswer:
        self._check_session(request)
        self.signalling.close(request.session, "closed by the client")
        return SignalAnswer(request.id, 200)

    def _layers(self, request: SignalRequest) -> SignalAnswer:
        viewer = self._viewer(request)
        playing = viewer.playing.get("video")
        layers = Layers(
            choices=[
                Layer(one.name, one.track.width, one.track.height, one.bitrate)
                for one in viewer.suited_video
            ],
            active=playing.name if playing is not None else None,
            selected=viewer.chosen,
        )
        return SignalAnswer(request.id, 200, msgspec.json.encode(layers).decode(), is_json=True)

    def _choose(self, request: SignalRequest) -> SignalAnswer:
        viewer = self._viewer(request)
        try:
            choice = msgspec.json.decode(request.body, type=LayerChoice)
        except msgspec.MsgspecError as error:
            return SignalAnswer(request.id, 400, str(error))
        if not viewer.choose(choice.encoding_id):
            return SignalAnswer(request.id, 404, f"there is no {choice.encoding_id!r} to choose")
        return self._layers(request)

    def _viewer(self, request: SignalRequest) -> Subscriber:
        self._check_session(request)
        role = self.signalling.session(request.session).role
        if not isinstance(role, Subscriber):
            raise SessionNotFound("it views nothing")
        return role

    def _check_session(self, request: SignalRequest) -> None:
        if self._sessions.get(request.session) != request.path:
            raise SessionNotFound("there is no such session")

    # -- sessions ----------------------------------------------------------------------------

    def take_event(self, event: SignallingEvent) -> None:
        """What signalling tells by itself."""
        match event:
            case SessionConnected():
                logger.info("%s: viewer %s connected", event.stream, event.session_id[:8])
            case SessionClosed():
                self._forget_session(event)
            case KeyFrameWanted():
                self._counts["key_frame_requests"] += 1

    def _forget_session(self, event: SessionClosed) -> None:
        logger.info("%s: viewer %s left (%s)", event.stream, event.session_id[:8], event.reason)
        path = self._sessions.pop(event.session_id, None)
        if path is not None and path in self._paths and path not in self._sessions.values():
            self._idle_since[path] = asyncio.get_running_loop().time()
