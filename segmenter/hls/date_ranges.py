"""Timed messages in one rendition's playlist: EXT-X-DATERANGE (RFC 8216bis 4.4.5.1).

The tags stand together before the segments, in the order of their dates. One leaves when the
segment that its date is in has left. `_HLS_skip=v2` leaves out those that were listed longer ago
than the skip boundary, and names those that left within it (6.2.5.1); a message is listed when its
date is at the end of the playlist, so its date tells how long ago that was.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from segmenter.hls.media_lines import format_date_time
from segmenter.timed_message import SCHEMES, MessageWindow, TimedMessage

MESSAGE_ATTRIBUTE: Final = "X-HEADWATER-MESSAGE"
"""The message's JSON, as `decodeURIComponent` reads it."""

_ESCAPES: Final = {
    code: "".join(f"%{byte:02X}" for byte in chr(code).encode())
    for code in (*range(0x20), *b'"%$', *range(0x7F, 0xA0), 0x2028, 0x2029)
}
"""What a quoted string cannot have (4.2) and a playlist must not (4.1: no control characters), what
marks escapes, and "$", which begins a variable's name after a brace (4.3). The last two are line
separators: players that take them for ends of lines would take what a viewer says for tags."""


class DateRanges:
    """Owns the words of the messages that one playlist lists.

    `update` before each reading, unless it `is_empty`.
    """

    def __init__(self, messages: MessageWindow) -> None:
        self._messages = messages
        self._taken = 0
        self._listed: deque[tuple[int, str, str]] = deque()
        """Date (milliseconds since 1970), ID, tag."""
        self._removed: deque[tuple[int, str]] = deque()
        """Where the playlist ended then (the same), ID."""
        self.text = ""
        """All tags."""
        self.recent_text = ""
        """Those that a delta update has that skips older ones."""
        self.removed_ids = ""
        """RECENTLY-REMOVED-DATERANGES."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to list or to tell of, so that `update` need not be called."""
        return self._taken == self._messages.count and not self._listed and not self._removed

    def update(self, first_ms: int, end_ms: int, skip_ms: int) -> None:
        """The playlist goes from ``first_ms`` to ``end_ms`` by now, milliseconds since 1970; a
        delta update may leave out what was listed more than ``skip_ms`` before its end."""
        for message in self._messages.after(self._taken):
            if message.time_ms >= first_ms:
                self._listed.append((message.time_ms, message.id, date_range_line(message)))
        self._taken = self._messages.count
        while self._listed and self._listed[0][0] < first_ms:
            self._removed.append((end_ms, self._listed.popleft()[1]))
        boundary = end_ms - skip_ms
        while self._removed and self._removed[0][0] < boundary:
            self._removed.popleft()
        self.text = "".join([line for _, _, line in self._listed])
        self.recent_text = "".join([line for at, _, line in self._listed if at >= boundary])
        self.removed_ids = "\t".join([name for _, name in self._removed])


def date_range_line(message: TimedMessage) -> str:
    """The tag; an instant has the duration 0 (4.4.5.1)."""
    text = message.body.decode().translate(_ESCAPES)
    return (
        f'#EXT-X-DATERANGE:ID="{message.id}",CLASS="{SCHEMES[message.kind]}"'
        f',START-DATE="{format_date_time(message.time_ms, 1000)}",DURATION=0.0'
        f',{MESSAGE_ATTRIBUTE}="{text}"\n'
    )
