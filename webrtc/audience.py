"""What there is to watch, who watches it, and what they want together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from webrtc.events import KeyFrameWanted, RenditionsWanted, SignallingEvent
from webrtc.fanout_events import ViewerSummary
from webrtc.rendition import Rendition
from webrtc.subscriber import Subscriber
from webrtc.viewer_settings import Kind

_KEY_FRAME_S = 0.5
"""Viewers that lose a picture together are one request; encoders need not make more key frames
than that (libwebrtc: one in 300 ms)."""

_LACK_AT_ONCE = 3
"""So many are asked to come anew each time, sixty a second: joining takes some 10 ms of a core."""
_LACK_S = 2.0
"""How long a viewer waits for what it can be sent: a ladder's rungs begin a second or two after
their publisher."""


class Audience:
    """Owns the streams' renditions and the subscribers of each; Signalling's alone."""

    def __init__(self, on_event: Callable[[SignallingEvent], None]) -> None:
        self._on_event = on_event
        self._renditions: dict[str, tuple[Rendition, ...]] = {}
        self._subscribers: dict[str, dict[Subscriber, None]] = {}
        self._by_viewer: dict[int, Subscriber] = {}
        self._wanted: dict[str, frozenset[str]] = {}
        self._lacking: dict[Subscriber, float | None] = {}
        """Those that cannot be sent what there is now, and since when."""
        self._key_frames: dict[tuple[str, str], None] = {}
        self._asked_at: dict[tuple[str, str], float] = {}

    def announce(self, stream: str, renditions: Sequence[Rendition]) -> None:
        """The stream offers these from now on."""
        self._renditions[stream] = tuple(renditions)
        for subscriber in self._subscribers.get(stream, ()):
            subscriber.refresh(renditions)
            if subscriber.is_lacking:
                self._lacking.setdefault(subscriber, None)
            else:
                self._lacking.pop(subscriber, None)

    def withdraw(self, stream: str) -> list[Subscriber]:
        """The stream offers nothing any more; who watched it."""
        self._renditions.pop(stream, None)
        return list(self._subscribers.get(stream, ()))

    def renditions(self, stream: str) -> tuple[Rendition, ...]:
        """What the stream offers now."""
        return self._renditions.get(stream, ())

    def add(self, subscriber: Subscriber) -> None:
        """Somebody is about to watch."""
        self._subscribers.setdefault(subscriber.stream, {})[subscriber] = None

    def connect(self, subscriber: Subscriber) -> None:
        """The fan-out has a number for it now."""
        if subscriber.viewer is not None:
            self._by_viewer[subscriber.viewer] = subscriber

    def remove(self, subscriber: Subscriber) -> None:
        """It has gone."""
        self._lacking.pop(subscriber, None)
        watching = self._subscribers.get(subscriber.stream, {})
        watching.pop(subscriber, None)
        if not watching:
            self._subscribers.pop(subscriber.stream, None)
        if subscriber.viewer is not None:
            self._by_viewer.pop(subscriber.viewer, None)

    def find_viewer(self, viewer: int) -> Subscriber | None:
        """By the fan-out's number."""
        return self._by_viewer.get(viewer)

    def summaries(self) -> list[ViewerSummary | None]:
        """What each viewer has reported last."""
        return [subscriber.summary for subscriber in self._by_viewer.values()]

    def ask_for_key_frame(self, subscriber: Subscriber, kind: Kind) -> None:
        """A subscriber cannot go on; told with the next `handle_timer`, once for all."""
        playing = subscriber.playing.get(kind)
        if playing is not None:
            self._key_frames[subscriber.stream, playing.name] = None

    def take_lacking(self, now: float) -> list[Subscriber]:
        """Who has lacked for too long what there is, and had better ask anew."""
        for subscriber, since in self._lacking.items():
            if since is None:
                self._lacking[subscriber] = now
        due = [s for s, since in self._lacking.items() if now - (since or now) >= _LACK_S]
        for subscriber in due[:_LACK_AT_ONCE]:
            del self._lacking[subscriber]
        return due[:_LACK_AT_ONCE]

    def handle_timer(self, now: float) -> None:
        """Tell what is wanted."""
        for key in list(self._key_frames):
            if now - self._asked_at.get(key, float("-inf")) >= _KEY_FRAME_S:
                del self._key_frames[key]
                self._asked_at[key] = now
                self._on_event(KeyFrameWanted(*key))
        for key in [key for key, at in self._asked_at.items() if now - at >= _KEY_FRAME_S]:
            del self._asked_at[key]
        self._tell_wanted()

    def _tell_wanted(self) -> None:
        for stream in self._wanted.keys() | self._subscribers.keys():
            subscribers = self._subscribers.get(stream, {})
            wanted = frozenset(
                rendition.name
                for each in subscribers
                if each.viewer is not None  # who only sent an offer starts no encoder
                for rendition in each.playing.values()
            )
            if wanted == self._wanted.get(stream, frozenset()):
                continue
            self._wanted[stream] = wanted
            self._on_event(RenditionsWanted(stream, wanted))
            if not wanted:
                del self._wanted[stream]
