"""Metadata and chat of paths: what was sent becomes an event, and a message on the media timeline.

A message is its event: the same JSON stands in the log, in emsg boxes, in date ranges and on data
channels, and its media time is in it. It is where the media ended when it came, so its picture is
the one that had just been captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from segmenter.timed_message import MessageKind, TimedMessage
from streaming.command_messages import SendMessage
from streaming.errors import MessageRefused
from streaming.events.event import EventId, LoggedEvent
from streaming.message_limits import MOST_METADATA_BYTES, PATH_BURST, PATH_RATE
from streaming.token_buckets import TokenBuckets

KINDS: Final[tuple[MessageKind, ...]] = ("metadata", "chat")


class SpokenPath(Protocol):
    """The part of a path that messages need."""

    @property
    def allows_viewer_chat(self) -> bool:
        """Whether viewers may send chat."""

    @property
    def state_version(self) -> int:
        """Number of the latest transition."""

    @property
    def media_time_ms(self) -> int | None:
        """Where the media end, milliseconds since 1970; None while nobody is on air."""

    def tell(self, message: TimedMessage) -> bool:
        """Goes along with the media from now on; whether HLS playlists have room for it."""

    def tell_viewers(self, message: bytes) -> None:
        """JSON for those who watch by WebRTC, at once."""


class EmitEvent(Protocol):
    """How news gets into the log, and what it is there."""

    def __call__(
        self, kind: str, path: str, data: Mapping[str, Any], state_version: int
    ) -> LoggedEvent: ...


@dataclass(frozen=True, slots=True)
class MessageStatistics:
    """Counters that only rise."""

    sent: Mapping[MessageKind, int]
    unlisted: int
    """Those for which HLS playlists had no room."""
    refused: Mapping[int, int]
    """By status."""


class PathMessages:
    """Owns how much each path was told lately; whoever takes messages in calls `send`."""

    def __init__(self, find: Callable[[str], SpokenPath | None], emit: EmitEvent) -> None:
        self._find = find
        self._emit = emit
        self._buckets = {kind: TokenBuckets(PATH_RATE, PATH_BURST) for kind in KINDS}
        self._sent: dict[MessageKind, int] = dict.fromkeys(KINDS, 0)
        self._refused: dict[int, int] = {}
        self._unlisted = 0

    def send(self, wish: SendMessage, now: float) -> dict[str, Any]:
        """The message's id and times. Raises MessageRefused with an HTTP status."""
        try:
            path = self._check(wish, now)
        except MessageRefused as refusal:
            status = refusal.http_status or 400
            self._refused[status] = self._refused.get(status, 0) + 1
            raise
        time_ms = path.media_time_ms
        data = {"media_time_ms": time_ms, **_content(wish)}
        entry = self._emit(wish.kind, wish.path, data, path.state_version)
        self._sent[wish.kind] += 1
        message = timed_message(entry)
        if message is not None and not path.tell(message):
            self._unlisted += 1
        path.tell_viewers(entry.body)
        return {"id": entry.event.id, "ts": entry.event.ts, "media_time_ms": time_ms}

    def statistics(self) -> MessageStatistics:
        """A snapshot."""
        return MessageStatistics(dict(self._sent), self._unlisted, dict(self._refused))

    def _check(self, wish: SendMessage, now: float) -> SpokenPath:
        path = self._find(wish.path)
        if path is None:
            raise MessageRefused(f"there is no path {wish.path}", http_status=404)
        if wish.by_viewer and not (wish.kind == "chat" and path.allows_viewer_chat):
            raise MessageRefused(
                f"viewers may not send {wish.kind} to {wish.path}", http_status=403
            )
        if len(wish.data) > MOST_METADATA_BYTES:
            raise MessageRefused(
                f"metadata has at most {MOST_METADATA_BYTES} bytes as JSON", http_status=413
            )
        # A crowd of viewers, or one with many sessions, does not silence the application.
        whose = f"viewers of {wish.path}" if wish.by_viewer else wish.path
        if not self._buckets[wish.kind].take(whose, now):
            raise MessageRefused(f"{wish.path} is sent too many messages", http_status=429)
        return path


def _content(wish: SendMessage) -> dict[str, Any]:
    by = "viewer" if wish.by_viewer else "control"
    if wish.kind == "chat":
        return {"text": wish.text, "sender": wish.sender, "by": by}
    return {"data": msgspec.json.decode(wish.data)}


def timed_message(entry: LoggedEvent) -> TimedMessage | None:
    """The message that an event is; None for other events, and for messages without media."""
    event = entry.event
    time_ms = event.data.get("media_time_ms")
    if event.type not in KINDS or not isinstance(time_ms, int) or time_ms < 0:
        return None
    kind: MessageKind = "chat" if event.type == "chat" else "metadata"
    return TimedMessage(event.id, emsg_id(entry.id), kind, time_ms, entry.body)


def emsg_id(number: EventId) -> int:
    """32 bits, different for all messages of a window: an epoch begins by milliseconds later than
    the one before had events."""
    return (number.epoch + number.number) & 0xFFFF_FFFF


def logged_messages(entries: Iterable[LoggedEvent]) -> dict[str, list[TimedMessage]]:
    """By path: what playlists that go on after a restart may list again, in order."""
    found: dict[str, list[TimedMessage]] = {}
    for entry in entries:
        message = timed_message(entry)
        if message is not None:
            found.setdefault(entry.event.path, []).append(message)
    return found
