"""WHIP in the WebRTC process: offers that want a path, and what their sessions publish.

An offer is negotiated first; then the main process is asked whether the session may have the path,
and only then the client is answered. The path is the session's with its first media: until then
nobody is displaced, and who sends none for `NOTHING_S` has to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from segmenter.media import MediaType
from streaming.rtc.messages import (
    PublishAllowed,
    PublishAsked,
    PublishClosed,
    PublishPlaced,
    PublishRefused,
    PublishSample,
    PublishTracks,
)
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.transcode.messages import SampleMessage, TrackMessage
from webrtc.errors import SessionNotFound
from webrtc.events import PublishedSamples, PublishedTracks
from webrtc.signalling import Signalling
from webrtc.signalling_results import Answer

NOTHING_S: Final = 60.0
"""From the answer to the first media. A browser sends some as soon as it is connected; publishers
by other protocols may take as long to their first key frame."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An offer whose path has been asked for."""

    request: SignalRequest
    answer: Answer


class Publishing:
    """Owns who publishes what; the server passes requests, events and the main process's words."""

    def __init__(
        self, signalling: Signalling, send: Callable[[Any], None], max_layers: int = 1
    ) -> None:
        self._signalling = signalling
        self._max_layers = max_layers
        self._send = send
        self._asked: dict[str, _Asked] = {}
        self._pictures: dict[str, int] = {}
        self.layers_stopped = 0
        """How often a publisher ceased to send a layer."""
        self._paths: dict[str, str] = {}
        """Session to path, of those that were let in."""
        self._due: dict[str, float] = {}
        """When those have to go who have sent nothing."""

    def __len__(self) -> int:
        """How many publish."""
        return len(self._paths) - len(self._due)

    @property
    def pictures(self) -> int:
        """How many video tracks all of them send, each simulcast layer counted."""
        return sum(self._pictures[session] for session in self._paths.keys() & self._pictures)

    def offer(self, request: SignalRequest) -> str:
        """Negotiates and asks for the path; gives the session. Raises WebRtcError."""
        answer = self._signalling.publish(
            request.path, request.body, request.remote, max_layers=self._max_layers
        )
        self._asked[answer.session_id] = _Asked(request, answer)
        asks = request.path, request.key, request.remote, request.rank
        self._send(PublishAsked(answer.session_id, *asks))
        return answer.session_id

    def allow(self, news: PublishAllowed, links: str, now: float) -> None:
        """The session may have the path: the client is answered."""
        asked = self._asked.pop(news.session, None)
        if asked is None:  # it has gone meanwhile
            self._send(PublishClosed(news.session, "the session has gone"))
            return
        self._paths[news.session] = asked.request.path
        self._due[news.session] = now + NOTHING_S
        self._signalling.set_segment_grid(news.session, news.segment_duration_s)
        self._send(opened_answer(asked.request, asked.answer, links))

    def place(self, news: PublishPlaced) -> None:
        """Where its media are."""
        if news.session in self._paths:
            self._signalling.set_media_offset(news.session, news.media_offset)

    def refuse(self, news: PublishRefused) -> None:
        """The client is told why, and the session ends."""
        asked = self._asked.pop(news.session, None)
        if asked is None:
            return
        headers = {"WWW-Authenticate": "Bearer"} if news.status == 401 else {}
        self._send(SignalAnswer(asked.request.id, news.status, news.reason, headers))
        self._end(news.session, news.reason)

    def close(self, news: PublishClosed) -> None:
        """The path has let go of the session, or is not to be had any more."""
        self._remove(news.session)
        self._end(news.session, news.reason)

    def handle_timer(self, now: float) -> None:
        """Ends those who have sent nothing for too long."""
        for session in [session for session, due in self._due.items() if now >= due]:
            self._end(session, "no media came")

    def want_key_frame(self, path: str, track: str) -> None:
        """A viewer of the path cannot go on without one."""
        for session, published in self._paths.items():
            if published == path:
                self._signalling.want_key_frame(session, track)

    def set_tracks(self, event: PublishedTracks) -> None:
        """What a session publishes from now on."""
        if event.session_id in self._paths:
            self._due.pop(event.session_id, None)
            pictures = sum(track.media_type is MediaType.VIDEO for track in event.tracks)
            self.layers_stopped += max(0, self._pictures.get(event.session_id, 0) - pictures)
            self._pictures[event.session_id] = pictures
            tracks = tuple(TrackMessage.from_track(track) for track in event.tracks)
            self._send(PublishTracks(event.session_id, tracks))

    def write(self, event: PublishedSamples) -> None:
        """Samples of a session."""
        if event.session_id not in self._paths:
            return
        for sample in event.samples:
            self._send(PublishSample(event.session_id, SampleMessage.from_sample(sample)))

    def forget(self, session: str, reason: str) -> None:
        """The session has ended on the client's side."""
        asked = self._asked.pop(session, None)
        if asked is not None:
            self._send(SignalAnswer(asked.request.id, 503, reason))
        if self._remove(session) or asked is not None:
            self._send(PublishClosed(session, reason))

    def _remove(self, session: str) -> bool:
        """Whether it had been let in."""
        self._due.pop(session, None)
        self._pictures.pop(session, None)
        return self._paths.pop(session, None) is not None

    def _end(self, session: str, reason: str) -> None:
        try:
            self._signalling.close(session, reason)
        except SessionNotFound:
            return


def opened_answer(request: SignalRequest, answer: Answer, links: str) -> SignalAnswer:
    """201 for an offer; ``links`` name the ICE servers, or are empty."""
    headers = opened_headers(answer.etag, links)
    return SignalAnswer(request.id, 201, answer.sdp, headers, answer.session_id)


def opened_headers(etag: str, links: str) -> dict[str, str]:
    """Of a session's first answer."""
    return {"ETag": etag, "Link": links} if links else {"ETag": etag}
