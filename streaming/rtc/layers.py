"""What a viewer is told of the renditions that it may be sent, and how it chooses (JSON)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from webrtc.viewer_settings import Kind


class Layer(Struct, frozen=True, rename="camel"):
    """One video rendition."""

    encoding_id: str
    """The rendition's name."""
    width: int
    height: int
    bitrate: int
    """Bits per second."""


class RtpClock(Struct, frozen=True, rename="camel"):
    """RTP timestamps of a stream: media time in UTC times rate, plus offset, modulo 2**32."""

    rate: int
    """Ticks per second."""
    offset: int


class Layers(Struct, frozen=True, rename="camel"):
    """All of them for one viewer, lowest bitrate first."""

    choices: list[Layer]
    active: str | None
    """What it is sent now."""
    selected: str | None
    """What it chose; null is automatic."""
    media_ahead_s: float
    """By how much media time, as sender reports tell it, is ahead of capture, seconds."""
    clocks: dict[Kind, RtpClock]
    sound: Literal["passed", "made"] | None
    """Whether its sound is the publisher's own packets, or made for WebRTC, for which it comes
    later than its picture; null while there is none."""


class LayerChoice(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A choice; without a name the bandwidth decides."""

    media_id: str | None = None
    """The m-section; there is one video alone."""
    encoding_id: str | None = None
