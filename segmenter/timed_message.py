"""Messages on the timeline of the media: metadata of an application, and chat.

A message has one media time, at the live edge when it was sent, which is the same in every
rendition and in every way it reaches players: as an emsg box before the next fragment of each
rendition (DASH reads these by InbandEventStream), as EXT-X-DATERANGE in HLS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from segmenter.fmp4.boxes import write_emsg

MessageKind: TypeAlias = Literal["metadata", "chat"]

SCHEMES: Final[Mapping[MessageKind, str]] = {
    "metadata": "urn:headwater:metadata:2026",
    "chat": "urn:headwater:chat:2026",
}
"""scheme_id_uri of emsg and InbandEventStream, CLASS of EXT-X-DATERANGE."""

MOST_LISTED_BYTES: Final = 131_072
"""Of the messages of one window that HLS playlists list: every reload that is no delta carries them
all, beside some 10 kB of segments and parts. What comes beyond is in the media alone."""
MOST_CHAT_BYTES: Final = MOST_LISTED_BYTES // 2
"""The share of chat, so that a crowd of viewers does not crowd out what the application says."""

MOST_WAITING: Final = 64
"""Messages that wait for the next fragment of a rendition, the latest: three seconds of what a path
may be sent. A rendition that has gone silent for longer has nobody who watches it."""

STALE_MS = 10_000
"""A message of longer before the fragment goes with none: whoever plays it has had no use for the
message, which came while there were no media, or before a long gap of this rendition."""


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """One message."""

    id: str
    """Different from that of every other message, for good: ID of EXT-X-DATERANGE."""
    number: int
    """The same for emsg: 32 bits, different from all others of the window."""
    kind: MessageKind
    time_ms: int
    """Media time, which is UTC, milliseconds since 1970."""
    body: bytes
    """JSON."""


def write_message(message: TimedMessage, timescale: int) -> bytes:
    """Its emsg box (version 1) for a track; an instant, so its duration is 0."""
    return write_emsg(
        SCHEMES[message.kind],
        "",
        timescale=timescale,
        presentation_time=message.time_ms * timescale // 1000,
        duration=0,
        event_id=message.number,
        message=message.body,
    )


class MessageWindow:
    """Owns the messages that playlists list; its presentation adds, playlists read."""

    def __init__(self) -> None:
        self.count = 0
        """How many were ever listed."""
        self._listed: deque[TimedMessage] = deque()
        self._bytes = {"metadata": 0, "chat": 0}

    def add(self, message: TimedMessage, oldest_ms: int) -> bool:
        """Whether it is listed; what came before ``oldest_ms`` makes room for it."""
        while self._listed and self._listed[0].time_ms < oldest_ms:
            gone = self._listed.popleft()
            self._bytes[gone.kind] -= len(gone.body)
        size_bytes = len(message.body)
        if sum(self._bytes.values()) + size_bytes > MOST_LISTED_BYTES:
            return False
        if message.kind == "chat" and self._bytes["chat"] + size_bytes > MOST_CHAT_BYTES:
            return False
        self._bytes[message.kind] += size_bytes
        self._listed.append(message)
        self.count += 1
        return True

    def after(self, count: int) -> list[TimedMessage]:
        """Those that were listed after the first ``count`` ever, as far as they are still here."""
        new = min(self.count - count, len(self._listed))
        return list(self._listed)[len(self._listed) - new :] if new else []
