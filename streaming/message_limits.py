"""How much metadata and chat anybody may send; docs/metadata.md tells it."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

MOST_METADATA_BYTES: Final = 4_096
"""As JSON: enough for a score board or the credits of a song. The date ranges of a window, which
playlists list at each reload, have room for thirty of the largest."""
MOST_METADATA_DEPTH: Final = 32
"""Objects and arrays in each other. 4,096 bytes have room for thousands, which decoders give up on,
ours and those of whoever follows events, each at a depth of its own."""

MOST_CHAT_CHARS: Final = 500
"""A few sentences, as chats of other services take."""
MOST_SENDER_CHARS: Final = 40
ChatText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MOST_CHAT_CHARS)]
SenderName: TypeAlias = Annotated[str, Meta(max_length=MOST_SENDER_CHARS)]

VIEWER_RATE: Final = 0.5
"""Messages a second of one viewer in the long run: faster nobody types for long."""
VIEWER_BURST: Final = 5.0
CONTROL_RATE: Final = 20.0
"""The same of one token of the API: what a path takes."""
CONTROL_BURST: Final = 100.0
PATH_RATE: Final = 20.0
"""Messages of one kind a second that a path takes from all viewers together, and from all others:
faster nobody reads."""
PATH_BURST: Final = 100.0
