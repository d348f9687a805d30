"""What one RTMP peer may cost us. All are per connection unless they say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE_TIMEOUT_S = 10.0
"""From accept to the publish command. A satellite link needs 3 s for its six round trips;
MediaMTX cuts at 10 s, nginx-rtmp at 60 s, which feeds slow-loris attacks."""

FIRST_MEDIA_TIMEOUT_S = 20.0
"""From Publish.Start to the first media: cameras and hardware encoders start late (SRS: 20 s)."""

IDLE_TIMEOUT_S = 15.0
"""Between media messages of a live publisher. Shorter drops mobile publishers that change cells
(5 s is SRS's default, users raise it; MediaMTX: 10 s); longer keeps the slot of a dead one."""

LINGER_S = 2.0
"""After we said why we close: a socket closed over unread data resets the connection and the
reason is lost with it, so keep discarding until the peer leaves or this time is over."""

MAX_BITRATE = 100_000_000
"""Bits per second of one publisher over BITRATE_WINDOW_S: twice what 4K at 60 fps is pushed with,
a tenth of what a gigabit port carries."""

BITRATE_WINDOW_S = 10.0
"""Long enough for an encoder to send at once what it held back over a pause of its network."""

MAX_MEDIA_BYTES = 8 * 1024 * 1024
"""One audio or video message. A lossless 1080p key frame has 3–4 MB, a 100 Mb/s 4K one 2 MB; the
protocol's own limit is 16 MiB, nginx-rtmp's default 1 MB, MediaMTX's 10 MB."""

MAX_COMMAND_BYTES = 64 * 1024
"""One command or metadata message. Real onMetaData is under 2 KB, with XMP up to 20 KB."""

MAX_BYTES_BEFORE_PUBLISH = 256 * 1024
"""A real client needs 5 KB; the rest is room for media sent without waiting for our answer."""

MAX_CHUNK_STREAMS = 64
"""ffmpeg uses 3, OBS 3, GStreamer 5; the protocol would allow 65,597."""

MIN_CHUNK_BYTES = 128
"""The protocol's default and its recommended minimum (5.4.1). Smaller chunks cost us a header
each and no known client asks for them."""

MAX_CHUNK_BYTES = 0xFFFFFF
"""A message is never longer (5.4.1)."""

MAX_EMPTY_MESSAGES = 1_000
"""In a row. Some encoders send an empty message for a frame that they dropped."""

MAX_MESSAGE_STREAMS = 16
"""createStream calls. Reconnecting clients use a new connection, so 1 is the rule."""

MAX_UNREAD_BYTES = 256 * 1024
"""What we owe the peer and it does not read: answers are small, so it asks without listening."""

MAX_PENDING_PER_ADDRESS = 64
"""Connections of one address that do not publish yet. A whole studio behind one address comes
back at once after an outage; its handshakes take milliseconds."""

MAX_CONNECTIONS = 1_000
"""Of the server. Far over what one machine can package, far under the file descriptor limit."""


@dataclass(frozen=True, slots=True)
class RtmpLimits:
    """The limits that an operator may change; each default has its reason above."""

    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    first_media_timeout_s: float = FIRST_MEDIA_TIMEOUT_S
    idle_timeout_s: float = IDLE_TIMEOUT_S
    linger_s: float = LINGER_S
    max_bitrate: int = MAX_BITRATE
    max_media_bytes: int = MAX_MEDIA_BYTES
    max_bytes_before_publish: int = MAX_BYTES_BEFORE_PUBLISH
    max_pending_per_address: int = MAX_PENDING_PER_ADDRESS
    max_connections: int = MAX_CONNECTIONS
