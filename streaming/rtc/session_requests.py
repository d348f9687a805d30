"""What can be asked of a session that is there: trickle, restart, layers, mute, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from streaming.rtc.layers import Layer, LayerChoice, Layers, RtpClock
from streaming.rtc.session_measures import figures_of
from streaming.rtc.sessions import OpenSessions
from streaming.rtc.signal_messages import EventKind, SignalAnswer, SignalRequest
from streaming.rtc.view_plan import AUDIO_NAME
from webrtc.errors import SessionNotFound
from webrtc.publisher import Publisher
from webrtc.signalling import Signalling
from webrtc.subscriber import Subscriber


class MuteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Stop or go on with picture or sound."""

    kind: Literal["video", "audio"]
    muted: bool = True


class SessionRequests:
    """Answers them, each with its path and session; raises WebRtcError for the rest."""

    def __init__(
        self,
        signalling: Signalling,
        sessions: OpenSessions,
        ahead_s: Callable[[str], float],
        is_active: Callable[[str], bool],
    ) -> None:
        """``ahead_s`` tells of a path by how much its media time is ahead of capture,
        ``is_active`` whether its publisher sends."""
        self._signalling = signalling
        self._sessions = sessions
        self._ahead_s = ahead_s
        self._is_active = is_active

    def answer(self, request: SignalRequest) -> SignalAnswer:
        """Raises WebRtcError for what the session does not allow, or when there is none."""
        session = self._sessions.find(request.session)
        if session is None or session.path != request.path:
            raise SessionNotFound("there is no such session")
        try:
            match request.verb:
                case "patch":
                    return self._patch(request)
                case "layers":
                    return self._layers(request)
                case "choose":
                    return self._choose(request)
                case "mute":
                    return self._mute(request)
                case "statistics":
                    return self._statistics(request)
                case "attach":
                    self._sessions.attach(request.session, request.channel, request.after)
                    return SignalAnswer(request.id, 204)
                case "kick":
                    self._signalling.close(request.session, "closed by the operator")
                    return SignalAnswer(request.id, 200)
                case _:
                    self._signalling.close(request.session, "closed by the client")
                    return SignalAnswer(request.id, 200)
        except msgspec.MsgspecError as error:
            return SignalAnswer(request.id, 400, str(error))

    def figures(self, request: SignalRequest) -> SignalAnswer:
        """How well media get through in each of the sessions asked for that is there (JSON)."""
        wanted = msgspec.json.decode(request.body, type=list[str])
        there = [name for name in wanted if self._sessions.find(name) is not None]
        sessions = {name: self._signalling.session(name) for name in there}
        found = {name: figures_of(one.role, one.agent.rtt_s) for name, one in sessions.items()}
        return _json_answer(request, {name: seen for name, seen in found.items() if seen})

    def tell_news(self) -> None:
        """Tells those who follow what is no longer as they know it."""
        sessions = self._sessions
        for session_id, session in sessions.followed():
            viewers = sessions.count(session.path)
            text = _json({"viewercount": viewers})
            sessions.tell_new(session_id, "viewers", viewers, "viewercount", text)
            role = self._signalling.session(session_id).role
            if not isinstance(role, Subscriber):
                continue
            is_active = self._is_active(session.path)
            kind: EventKind = "active" if is_active else "inactive"
            sessions.tell_new(session_id, "activity", is_active, kind)
            layers = self._layers_of(role, session.path)
            known = layers.active, layers.sound, [each.encoding_id for each in layers.choices]
            sessions.tell_new(session_id, "layers", known, "layers", _json(layers))

    def _patch(self, request: SignalRequest) -> SignalAnswer:
        result = self._signalling.patch(request.session, request.if_match, request.body)
        headers = {"ETag": result.etag} if result.etag else {}
        return SignalAnswer(request.id, result.http_status, result.fragment, headers)

    def _layers(self, request: SignalRequest) -> SignalAnswer:
        return _json_answer(request, self._layers_of(self._viewer(request), request.path))

    def _choose(self, request: SignalRequest) -> SignalAnswer:
        viewer = self._viewer(request)
        choice = msgspec.json.decode(request.body, type=LayerChoice)
        if not viewer.choose(choice.encoding_id):
            return SignalAnswer(request.id, 404, f"there is no {choice.encoding_id!r} to choose")
        return self._layers(request)

    def _mute(self, request: SignalRequest) -> SignalAnswer:
        wish = msgspec.json.decode(request.body, type=MuteRequest)
        self._viewer(request).mute(wish.kind, is_muted=wish.muted)
        return SignalAnswer(request.id, 204)

    def _statistics(self, request: SignalRequest) -> SignalAnswer:
        """What a viewer reports of what it is sent, or what has come of a publisher."""
        role = self._signalling.session(request.session).role
        if isinstance(role, Publisher):
            return _json_answer(request, role.statistics())
        return _json_answer(request, self._viewer(request).summary)

    def _layers_of(self, viewer: Subscriber, path: str) -> Layers:
        playing = viewer.playing.get("video")
        return Layers(
            choices=[
                Layer(one.name, one.track.width, one.track.height, one.bitrate)
                for one in viewer.suited_video
            ],
            active=playing.name if playing is not None else None,
            selected=viewer.chosen,
            media_ahead_s=round(self._ahead_s(path), 3),
            clocks={
                kind: RtpClock(settings.clock_rate, settings.timestamp_offset)
                for kind, settings in viewer.streams.items()
            },
            sound=_sound_of(viewer),
        )

    def _viewer(self, request: SignalRequest) -> Subscriber:
        role = self._signalling.session(request.session).role
        if not isinstance(role, Subscriber):
            raise SessionNotFound("it views nothing")
        return role


def _sound_of(viewer: Subscriber) -> Literal["passed", "made"] | None:
    playing = viewer.playing.get("audio")
    if playing is None or playing.ring is None:
        return None
    return "made" if playing.name == AUDIO_NAME else "passed"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _json_answer(request: SignalRequest, value: object) -> SignalAnswer:
    return SignalAnswer(request.id, 200, _json(value), is_json=True)
