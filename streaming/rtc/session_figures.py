"""How well media get through in a WebRTC session, for the API (JSON)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class StreamFigures(Struct, frozen=True):
    """A picture or a sound of the session. Packets are counted since it began; the rest is as of
    the last seconds."""

    kind: Literal["video", "audio"]
    name: str
    """The rendition that a viewer is sent, or the track that a publisher sends; empty: none now."""
    bitrate: int
    """Bits per second of media, as sent to a viewer or received from a publisher."""
    packets: int
    """Sent to a viewer, or received from a publisher, each once."""
    missed: int
    """Packets that did not come the first time: those that a viewer asked for again, or that we
    missed of a publisher's."""
    repaired: int
    """Packets sent to a viewer again, or of those missed that did come from a publisher."""
    lost: int | None
    """Packets that never came. Null of a viewer's stream before its first report, and where it is
    resent with another SSRC (RTX): reports count as lost what came so."""
    loss: float
    """Fraction of packets lost on the way, as the receiver's last report has it."""
    jitter_s: float
    """RFC 3550 6.4.1, as the receiver of the media sees it."""


class WebrtcFigures(Struct, frozen=True):
    """One session."""

    rtt_s: float | None
    """Round trip, by a viewer's last report; of a publisher by its last answer to a reference time
    (RFC 3611; browsers give one), else to our last check for consent. Null while there is none;
    with ICE lite we do not check."""
    bitrate: int
    """Of all its streams, bits per second."""
    available_bitrate: int | None
    """What the way to a viewer carries by its own estimate (REMB); null where it tells none."""
    key_frames_asked: int | None
    """Of a publisher."""
    switches: int | None
    """How often a viewer was sent another rendition."""
    streams: list[StreamFigures]
