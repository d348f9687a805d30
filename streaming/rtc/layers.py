"""What a viewer is told of the renditions that it may be sent, and how it chooses (JSON)."""

from __future__ import annotations

from msgspec import Struct


class Layer(Struct, frozen=True, rename="camel"):
    """One video rendition."""

    encoding_id: str
    """The rendition's name."""
    width: int
    height: int
    bitrate: int
    """Bits per second."""


class Layers(Struct, frozen=True, rename="camel"):
    """All of them for one viewer, lowest bitrate first."""

    choices: list[Layer]
    active: str | None
    """What it is sent now."""
    selected: str | None
    """What it chose; null is automatic."""
    media_ahead_s: float
    """By how much sender reports' time is ahead of the pictures' capture, seconds."""


class LayerChoice(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A choice; without a name the bandwidth decides."""

    media_id: str | None = None
    """The m-section; there is one video alone."""
    encoding_id: str | None = None
